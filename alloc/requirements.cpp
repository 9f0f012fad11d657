#include "alloc/requirements.h"

#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "alloc/allocator.h"
#include "alloc/scorer.h"

namespace kvwave::alloc {

std::string scorer_requirements(const Component& scorer) {
  const Needs needs = make_scorer(scorer)->needs();
  if (!needs.any()) return "positions only";
  const bool attention = needs.importance || needs.window_rows > 0 || needs.rows || needs.future_mass;
  std::vector<std::string_view> parts;
  if (attention || needs.queries) parts.emplace_back("queries");
  if (attention || needs.redundancy || needs.keys) parts.emplace_back("keys");
  if (needs.values) parts.emplace_back("values");
  std::string text = fmt::format("{} (level qkv)", fmt::join(parts, ", "));
  if (needs.rope) text += ", the model's rotary parameters";
  if (needs.future_mass) text += ", all later rows: clairvoyant";
  return text;
}

std::string allocator_requirements(const Component& allocator) {
  const std::unique_ptr<Allocator> rule = make_allocator(allocator);
  const ReplanNeeds replan = rule->replan_needs();
  std::vector<std::string_view> parts;
  if (rule->needs_profile()) parts.emplace_back("a demand profile (kvwave calibrate)");
  if (rule->needs_table()) parts.emplace_back("a table from a file");
  if (rule->needs_scores() || replan.scores) parts.emplace_back("the scorer's scores");
  if (replan.dispersion || replan.demand_rho > 0) parts.emplace_back("queries, keys (level qkv)");
  if (rule->needs_future_mass() || replan.future_mass) {
    parts.emplace_back("queries, keys (level qkv) of all later rows: clairvoyant");
  }
  return parts.empty() ? "nothing" : fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace kvwave::alloc
