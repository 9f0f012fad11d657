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
// total=kvpress   kvpress's reals: highest = 2 B - B / beta over the whole budget B, the window inside; each layer
// rounded
//                 (halves to even). Where lowest is below the window every layer gets B.
// length=growing  the sequence outgrows any budget: no clamp for short prompts (T0 infinite).
// length=prompt   the official clamps for a prompt of T0 positions: highest at most T0 - window; upstream is uniform
//                 for T0 < 2 C. (exact keeps its sum, so its line is clamped the same way.)
#include <algorithm>
#include <limits>
#include <string>

#include "alloc/components.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"

namespace kvwave::alloc {
namespace {

class Pyramid final : public Allocator {
 public:
  explicit Pyramid(const Component& component)
      : beta_(component.integer("beta")),
        total_(component.word("total")),
        clamped_(component.word("length") == "prompt") {}

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    LayerPlan plan;
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    plan.budget.resize(input.n_layers);
    const bool clamped = clamped_ && input.n_prompt > 0;
    const Line line{std::int64_t{input.budget}, std::int64_t{input.window},
                    clamped ? std::int64_t{input.n_prompt} : std::numeric_limits<std::int32_t>::max()};
    if (total_ == "upstream") {
      fill_upstream(line, plan.budget);
    } else if (total_ == "kvpress") {
      fill_kvpress(line, plan.budget);
    } else {
      fill_exact(line, plan.budget);
    }
    plan.floors_hit = raise_to_floor(plan.budget, 1);
    for (std::int32_t& layer : plan.budget) {
      layer = (layer + static_cast<std::int32_t>(input.window)) * static_cast<std::int32_t>(input.n_kv_heads);
      plan.realised += layer;
    }
    return plan;
  }

 private:
  // Per KV head; the functions below fill in candidates, layer_plan() adds the window.
  struct Line {
    std::int64_t budget, window, length;
    std::int64_t candidates() const { return budget - window; }
  };

  static void fill_evenly(const Line& line, std::span<std::int32_t> out) {
    std::fill(out.begin(), out.end(), static_cast<std::int32_t>(line.candidates()));
  }

  void fill_upstream(const Line& line, std::span<std::int32_t> out) const {
    const auto n = static_cast<std::int64_t>(out.size());
    const std::int64_t mean = line.candidates();
    if (n == 1 || line.length < line.budget || line.length < 2 * mean) return fill_evenly(line, out);
    std::int64_t lowest = mean / beta_;
    std::int64_t highest = 2 * mean - lowest;
    if (highest >= line.length - line.window) {
      highest = line.length - line.window;
      lowest = 2 * mean - highest;
    }
    const std::int64_t step = (highest - lowest) / (n - 1);
    for (std::int64_t l = 0; l < n; ++l) {
      out[static_cast<std::size_t>(l)] = static_cast<std::int32_t>(highest - l * step);
    }
  }

  void fill_kvpress(const Line& line, std::span<std::int32_t> out) const {
    const auto n = static_cast<double>(out.size());
    const auto mean = static_cast<double>(line.budget);
    const auto most = static_cast<double>(line.length - line.window);
    double lowest = mean / static_cast<double>(beta_);
    double highest = 2 * mean - lowest;
    if (highest >= most) {
      highest = most;
      lowest = 2 * mean - highest;
    }
    const bool falls = static_cast<double>(line.length) >= highest && highest >= lowest &&
                       lowest >= static_cast<double>(line.window) && out.size() > 1;
    if (!falls) return fill_evenly(line, out);
    for (std::size_t l = 0; l < out.size(); ++l) {
      const double budget = highest - static_cast<double>(l) * ((highest - lowest) / (n - 1));
      out[l] = round_half_even(budget) - static_cast<std::int32_t>(line.window);
    }
  }

  void fill_exact(const Line& line, std::span<std::int32_t> out) const {
    const auto mean = static_cast<double>(line.candidates());
    const auto n = static_cast<double>(out.size());
    double lowest = mean / static_cast<double>(beta_);
    const double most = std::max(mean, static_cast<double>(line.length - line.window));
    lowest = std::max(lowest, 2 * mean - most);
    std::vector<double> share(out.size(), mean);
    for (std::size_t l = 0; l < out.size() && out.size() > 1; ++l) {
      share[l] = lowest + (n - 1 - static_cast<double>(l)) * (2 * (mean - lowest) / (n - 1));
    }
    round_largest_remainder(share, line.candidates() * static_cast<std::int64_t>(out.size()), out);
  }

  std::int64_t beta_;
  std::string total_;
  bool clamped_;
};

}  // namespace

AllocatorEntry pyramid_entry() {
  return {
      {.name = "pyramid",
       .summary = "falls linearly with depth, fixed (Pyramid-RKV with scorer rkv)",
       .source = "PyramidKV, arXiv 2406.02069; github.com/Zefan-Cai/KVCache-Factory c97f9d7",
       .parameters = {integer_parameter("beta", "20", 1, 10'000, "deepest layer = mean / beta; 1 = uniform"),
                      word_parameter("total", {"exact", "upstream", "kvpress"},
                                     "memory of uniform, or official rounding (overshoots)"),
                      word_parameter("length", {"growing", "prompt"}, "T0 infinite, or clamps for short prompts")}},
      [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<Pyramid>(component); }};
}

}  // namespace kvwave::alloc
