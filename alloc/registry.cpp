#include "alloc/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "alloc/components.h"
#include "alloc/error.h"
#include "alloc/nearest_word.h"

namespace kvwave::alloc {
namespace {

const std::vector<AllocatorEntry>& allocators() {
  static const std::vector<AllocatorEntry> entries = {
      uniform_entry(),
      pyramid_entry(),
      reasonalloc_entry(),
      reasonalloc_layer_entry(),
      reasonalloc_head_entry(),
      reasonalloc_dynamic_entry(),
      adakv_entry(),
      headkv_entry(),
      dynamickv_entry(),
      cake_allocator_entry(),
      duoattention_entry(),
      lukv_entry(),
      oracle_allocator_entry(),
  };
  return entries;
}

const std::vector<ScorerEntry>& scorers() {
  static const std::vector<ScorerEntry> entries = {
      rkv_entry(),          snapkv_entry(),      snapkv_prefill_entry(), h2o_entry(),   tova_entry(),
      scissorhands_entry(), keydiff_entry(),     knorm_entry(),          lagkv_entry(), expected_attention_entry(),
      lazyeviction_entry(), cake_scorer_entry(), quest_entry(),          lru_entry(),   random_entry(),
      streaming_entry(),    oracle_entry(),
  };
  return entries;
}

template <class Entry>
std::vector<ComponentSpec> specs_of(const std::vector<Entry>& entries) {
  std::vector<ComponentSpec> specs;
  for (const Entry& entry : entries) specs.push_back(entry.spec);
  return specs;
}

template <class Entry>
auto make(const std::vector<Entry>& entries, std::string_view kind, const Component& component) {
  for (const Entry& entry : entries) {
    if (entry.spec.name == component.name) return entry.make(component);
  }
  throw BadStrategy(fmt::format("no {} is named {}", kind, quoted(component.name)));
}

}  // namespace

std::span<const ComponentSpec> allocator_specs() {
  static const std::vector<ComponentSpec> specs = specs_of(allocators());
  return specs;
}

std::span<const ComponentSpec> scorer_specs() {
  static const std::vector<ComponentSpec> specs = specs_of(scorers());
  return specs;
}

std::string allowed_values(const ParameterSpec& parameter) {
  if (parameter.kind == ParameterKind::protection) return "none or items";
  if (parameter.kind == ParameterKind::text) return "a file";
  if (parameter.kind == ParameterKind::word) return fmt::format("{}", fmt::join(parameter.words, "|"));
  return fmt::format("[{:.10g}, {:.10g}]{}", parameter.low, parameter.high, parameter.odd ? ", odd" : "");
}

std::unique_ptr<Allocator> make_allocator(const Component& component) {
  return make(allocators(), "allocator", component);
}

std::unique_ptr<Scorer> make_scorer(const Component& component) {
  return make(scorers(), "scorer", component);
}

}  // namespace kvwave::alloc
