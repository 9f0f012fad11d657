#include "alloc/compatibility.h"

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

}  // namespace

std::string incompatibility(const Component& allocator, const Component& scorer) {
  const std::unique_ptr<Allocator> where = make_allocator(allocator);
  if (compares_scores(*where) && scorer.name == "streaming") {
    return fmt::format("{} compares scores of KV heads and streaming scores positions alone, the same in every head",
                       allocator.name);
  }
  const bool weighs_mass = allocator.name == "adakv" && allocator.word("normalize") == "on";
  if (weighs_mass && (scorer.name == "rkv" || scorer.name == "knorm" || scorer.name == "keydiff")) {
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
