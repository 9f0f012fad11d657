#include "alloc/compatibility.h"

#include <string_view>

#include <fmt/format.h>

#include "alloc/allocator.h"
#include "alloc/error.h"
#include "alloc/registry.h"
#include "alloc/scorer.h"

namespace kvwave::alloc {
namespace {

bool compares_scores(const Allocator& allocator) {
  return allocator.needs_scores() || allocator.replan_needs().scores;
}

// Budgets of KV heads, fixed or moved at refreshes.
bool gives_heads_their_own(const Allocator& allocator) {
  return allocator.needs_scores() || allocator.needs_table() || allocator.replans_layers();
}

bool can_be_negative(std::string_view scorer) {
  return scorer == "rkv" || scorer == "knorm" || scorer == "keydiff";
}

}  // namespace

std::string incompatibility(const Component& allocator, const Component& scorer) {
  const std::unique_ptr<Allocator> where = make_allocator(allocator);
  const std::unique_ptr<Scorer> which = make_scorer(scorer);
  if (which->selects() && (compares_scores(*where) || where->replans_layers())) {
    return fmt::format("{} moves budget at refreshes and {} has none: it says in every step what is read",
                       allocator.name, scorer.name);
  }
  if (which->rule().granularity == Granularity::layer && gives_heads_their_own(*where)) {
    return fmt::format("{} gives budget to KV heads and {} keeps one set of positions for all heads of a layer",
                       allocator.name, scorer.name);
  }
  if (compares_scores(*where) && scorer.name == "streaming") {
    return fmt::format("{} compares scores of KV heads and streaming scores positions alone, the same in every head",
                       allocator.name);
  }
  const bool weighs_mass = allocator.name == "adakv" && allocator.word("normalize") == "on";
  if (weighs_mass && can_be_negative(scorer.name)) {
    return fmt::format("adakv:normalize=on weighs heads by shares of their scores' sum, and scores of {} are negative",
                       scorer.name);
  }
  return "";
}

void check_compatible(const Strategy& strategy) {
  if (strategy.is_full()) return;
  const std::string reason = incompatibility(strategy.allocator, strategy.scorer);
  if (reason.empty()) return;
  throw BadStrategy(fmt::format("{}/{} does not go together: {} (try uniform/{})", strategy.allocator.name,
                                strategy.scorer.name, reason, strategy.scorer.name));
}

}  // namespace kvwave::alloc
