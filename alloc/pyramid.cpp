// PyramidKV's layer budgets (Cai et al. 2024, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory at c97f9d7), in
// the form that ReasonAlloc's baseline Pyramid-RKV takes during decoding: fixed, falling with depth, equal within a
// layer.
//
// Per KV head, with C = budget - window candidates on average and L layers:
//   lowest = C / beta, highest = 2 C - lowest, step = (highest - lowest) / (L - 1)
//   candidates of layer l = highest - l * step, and the window on top
// total=exact     real numbers, rounded by largest remainder: the sum over layers is L * C, the memory of uniform.
// total=upstream  the official integer arithmetic (each division rounds down). Rounding `step` down makes every layer
//                 but the first too large: +16 % memory at budget 64 with 30 layers.
// The official clamps for short prompts have no counterpart here: the sequence keeps growing (prompt length infinite).
#include "alloc/components.h"
#include "alloc/parameter.h"

namespace kvwave::alloc {
namespace {

class Pyramid final : public Allocator {
 public:
  explicit Pyramid(const Component& component)
      : beta_(component.integer("beta")), upstream_(component.word("total") == "upstream") {}

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    LayerPlan plan;
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    plan.budget.resize(input.n_layers);
    const auto candidates = static_cast<std::int64_t>(input.budget - input.window);
    if (upstream_) {
      fill_upstream(candidates, plan.budget);
    } else {
      fill_exact(candidates, plan.budget);
    }
    plan.floors_hit = raise_to_floor(plan.budget, 1);
    for (std::int32_t& layer : plan.budget) {
      layer = (layer + static_cast<std::int32_t>(input.window)) * static_cast<std::int32_t>(input.n_kv_heads);
      plan.realised += layer;
    }
    return plan;
  }

 private:
  void fill_upstream(std::int64_t candidates, std::span<std::int32_t> out) const {
    const auto n = static_cast<std::int64_t>(out.size());
    const std::int64_t lowest = candidates / beta_;
    const std::int64_t highest = n == 1 ? candidates : 2 * candidates - lowest;
    const std::int64_t step = n == 1 ? 0 : (highest - lowest) / (n - 1);
    for (std::int64_t l = 0; l < n; ++l) {
      out[static_cast<std::size_t>(l)] = static_cast<std::int32_t>(highest - l * step);
    }
  }

  void fill_exact(std::int64_t candidates, std::span<std::int32_t> out) const {
    const auto mean = static_cast<double>(candidates);
    const auto n = static_cast<double>(out.size());
    const double lowest = mean / static_cast<double>(beta_);
    std::vector<double> line(out.size(), mean);
    for (std::size_t l = 0; l < out.size() && out.size() > 1; ++l) {
      line[l] = lowest + (n - 1 - static_cast<double>(l)) * (2 * (mean - lowest) / (n - 1));
    }
    round_largest_remainder(line, candidates * static_cast<std::int64_t>(out.size()), out);
  }

  std::int64_t beta_;
  bool upstream_;
};

}  // namespace

AllocatorEntry pyramid_entry() {
  return {
      {.name = "pyramid",
       .summary = "falls linearly with depth, fixed (Pyramid-RKV with scorer rkv)",
       .source = "PyramidKV, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory c97f9d7",
       .parameters = {integer_parameter("beta", "20", 1, 10'000, "deepest layer = mean / beta; 1 = uniform"),
                      word_parameter("total", {"exact", "upstream"},
                                     "memory of uniform, or official rounding (overshoots)")}},
      [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<Pyramid>(component); }};
}

}  // namespace kvwave::alloc
