// LU-KV (Tang et al. 2026, arXiv 2602.08585; curves as kvpress's LUKVPress reads them): a fixed budget for every KV
// head from an offline curve that says which part each head may lose when the whole model loses a given part.
//
// The table holds 99 planes: plane i for a model that loses (i + 1) / 100. With ratio r, plane round(100 r) - 1 and
// its parts p to lose:
//   entries of a head = (1 - p) * budget / (1 - r), clamped at p in [0, 1]: the cache of n entries whose 1 - r is the
//   budget; rounded by largest remainder within each layer, to the layer's rounded sum (total=upstream). The curves do
//   not always average to r: total=exact scales to the memory of uniform.
// Every head keeps at least window + 1 entries. Sinks and window are the scorer's business.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "alloc/budget_export.h"
#include "alloc/components.h"
#include "alloc/error.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"
#include "alloc/table_heads.h"

namespace kvwave::alloc {
namespace {

class LuKv final : public Allocator {
 public:
  explicit LuKv(const Component& component)
      : plane_(std::clamp(round_half_even(component.real("ratio") * 100), 1, kLossPlanes) - 1),
        upstream_(component.word("total") == "upstream") {}

  bool needs_table() const override { return true; }

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    std::vector<double> line = table_per_cache("lukv", input, GroupReduction::mean, static_cast<std::size_t>(plane_));
    for (double& entries : line) entries = 1.0 - std::clamp(entries, 0.0, 1.0);
    const double kept = std::accumulate(line.begin(), line.end(), 0.0);
    if (!(kept > 0)) throw BadTable("lukv: the curve keeps nothing at this ratio");

    LayerPlan plan;
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    const double scale =
        upstream_ ? input.budget / (1.0 - (plane_ + 1) / 100.0) : static_cast<double>(plan.nominal) / kept;
    for (double& entries : line) entries *= scale;
    plan.head_budget.resize(line.size());
    const auto least = static_cast<std::int32_t>(input.window) + 1;
    if (upstream_) {
      round_layers(line, input.n_kv_heads, plan.head_budget);
      for (std::int32_t& entries : plan.head_budget) {
        plan.floors_hit += entries < least ? 1 : 0;
        entries = std::max(entries, least);
      }
    } else {
      round_largest_remainder(line, plan.nominal, plan.head_budget);
      plan.floors_hit = raise_to_floor(plan.head_budget, least);
    }
    sum_layers(input, plan);
    return plan;
  }

 private:
  static void round_layers(std::span<const double> line, std::size_t n_heads, std::span<std::int32_t> out) {
    for (std::size_t start = 0; start < line.size(); start += n_heads) {
      const std::span<const double> layer = line.subspan(start, n_heads);
      const double sum = std::accumulate(layer.begin(), layer.end(), 0.0);
      round_largest_remainder(layer, round_half_even(sum), out.subspan(start, n_heads));
    }
  }

  std::int32_t plane_;
  bool upstream_;
};

}  // namespace

AllocatorEntry lukv_entry() {
  return {{.name = "lukv",
           .summary = "fixed budget per KV head from an offline curve of what each may lose",
           .source = "LU-KV, arXiv 2602.08585; github.com/NVIDIA/kvpress LUKVPress",
           .parameters = {text_parameter("table", "file of curves: LU-KV's .npy"),
                          real_parameter("ratio", "0.8", 0.01, 0.99, "part that the model loses: which curve is read"),
                          word_parameter("total", {"exact", "upstream"}, "memory of uniform, or what the curve says")}},
          [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<LuKv>(component); }};
}

}  // namespace kvwave::alloc
