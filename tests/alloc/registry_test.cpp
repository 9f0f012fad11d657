#include "alloc/registry.h"

#include <set>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

TEST(Registry, lists_every_system_once_in_display_order) {
  std::vector<std::string_view> allocators, scorers;
  for (const ComponentSpec& spec : allocator_specs()) allocators.push_back(spec.name);
  for (const ComponentSpec& spec : scorer_specs()) scorers.push_back(spec.name);
  EXPECT_EQ(allocators, (std::vector<std::string_view>{"uniform", "pyramid", "reasonalloc", "reasonalloc-layer",
                                                       "reasonalloc-head", "reasonalloc-dynamic", "adakv", "headkv",
                                                       "dynamickv", "cake", "duoattention", "lukv", "oracle"}));
  EXPECT_EQ(scorers, (std::vector<std::string_view>{"rkv", "snapkv", "snapkv-prefill", "h2o", "tova", "scissorhands",
                                                    "keydiff", "knorm", "lagkv", "expected-attention", "lazyeviction",
                                                    "cake", "quest", "lru", "random", "streaming", "oracle"}));
}

TEST(Registry, documents_every_component_and_parameter_within_a_line) {
  for (const auto specs : {allocator_specs(), scorer_specs()}) {
    for (const ComponentSpec& spec : specs) {
      EXPECT_FALSE(spec.summary.empty() || spec.source.empty()) << spec.name;
      EXPECT_LE(spec.summary.size(), 78U) << spec.name;
      EXPECT_LE(spec.source.size(), 78U) << spec.name;
      std::set<std::string_view> keys;
      for (const ParameterSpec& parameter : spec.parameters) {
        EXPECT_TRUE(keys.insert(parameter.key).second) << parameter.key;
        EXPECT_FALSE(parameter.meaning.empty()) << parameter.key;
        EXPECT_LE(parameter.meaning.size(), 53U) << parameter.meaning;
        EXPECT_FALSE(allowed_values(parameter).empty());
      }
    }
  }
}

TEST(Registry, writes_defaults_in_their_canonical_form) {
  for (const ComponentSpec& spec : allocator_specs()) {
    const Strategy strategy = Strategy::parse(std::string(spec.name) + "/rkv");
    for (const ParameterSpec& parameter : spec.parameters) {
      EXPECT_EQ(strategy.allocator.word(parameter.key), parameter.default_text) << spec.name;
    }
  }
  for (const ComponentSpec& spec : scorer_specs()) {
    const Strategy strategy = Strategy::parse("uniform/" + std::string(spec.name));
    for (const ParameterSpec& parameter : spec.parameters) {
      EXPECT_EQ(strategy.scorer.word(parameter.key), parameter.default_text) << spec.name;
    }
  }
}

TEST(Registry, refuses_names_it_does_not_hold) {
  EXPECT_THROW(make_allocator(Component{"full", {}}), BadStrategy);
  EXPECT_THROW(make_scorer(Component{"nobody", {}}), BadStrategy);
}

TEST(Registry, spells_ranges) {
  const ComponentSpec& rkv = scorer_specs()[0];
  EXPECT_EQ(allowed_values(rkv.parameters[0]), "[0, 1]");
  EXPECT_EQ(allowed_values(rkv.parameters[1]), "[1, 255], odd");
  EXPECT_EQ(allowed_values(rkv.parameters[3]), "minus|plus");
}

}  // namespace
}  // namespace kvwave::alloc
