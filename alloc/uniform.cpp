// The uniform allocator of R-KV, SnapKV and H2O: every (layer, kv_head) gets the same budget.
#include "alloc/components.h"

namespace kvwave::alloc {
namespace {

class Uniform final : public Allocator {
 public:
  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    LayerPlan plan;
    plan.budget.assign(input.n_layers, static_cast<std::int32_t>(input.budget * input.n_kv_heads));
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    plan.realised = plan.nominal;
    return plan;
  }
};

}  // namespace

AllocatorEntry uniform_entry() {
  return {{.name = "uniform",
           .summary = "the same budget for every layer and KV head",
           .source = "R-KV, SnapKV, H2O",
           .parameters = {}},
          [](const Component&) -> std::unique_ptr<Allocator> { return std::make_unique<Uniform>(); }};
}

}  // namespace kvwave::alloc
