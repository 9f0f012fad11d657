#include "replay/implied_budgets.h"

#include "alloc/allocator.h"
#include "alloc/strategy.h"

namespace kvwave::replay {

ImpliedBudgets implied_budgets(const Profile& profile, std::uint32_t n_kv_heads, std::uint32_t budget,
                               std::uint32_t window) {
  const auto rule = alloc::make_allocator(alloc::Strategy::parse("reasonalloc-layer/rkv").allocator);
  const alloc::LayerPlan plan = rule->layer_plan({.n_layers = static_cast<std::uint32_t>(profile.demand.size()),
                                                  .n_kv_heads = n_kv_heads,
                                                  .budget = budget,
                                                  .window = window,
                                                  .demand = profile.demand});
  ImpliedBudgets implied{
      .nominal = plan.nominal, .realised = plan.realised, .bounds_hit = plan.floors_hit + plan.caps_hit};
  for (const std::int32_t entries : plan.budget) implied.per_head.push_back(static_cast<double>(entries) / n_kv_heads);
  return implied;
}

}  // namespace kvwave::replay
