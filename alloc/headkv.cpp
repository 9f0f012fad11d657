// HeadKV (Fu et al. 2024, arXiv 2410.19258; github.com/FYYFU/HeadKV at 0862a09, headkv/snapkv_utils.py): a fixed budget
// for every head from a table of retrieval(-reasoning) scores, measured once per model.
//
// With C = budget - window candidates per head on average, N heads in the model, scores v:
//   s = (v / sum(v))^temp, divided by its sum;  share = floor(C / beta);  least = C - share
//   candidates of a head = s * share * N + least, rounded (halves to even), and the window on top
// total=upstream keeps that rounding; total=exact (memory of uniform) rounds by largest remainder to N * C.
// form=port is KVCache-Factory's: `budget` instead of C throughout, so that every head gets the window once more
// (total=exact scales it back).
// The scores are per query head; a KV head takes the mean or the maximum of its group. Every head keeps at least one
// candidate. `replay/budget_tables.h` says how the file looks.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "alloc/components.h"
#include "alloc/error.h"
#include "alloc/head_sharing.h"
#include "alloc/parameter.h"
#include "alloc/table_heads.h"

namespace kvwave::alloc {
namespace {

class HeadKv final : public Allocator {
 public:
  explicit HeadKv(const Component& component)
      : beta_(component.real("beta")),
        temp_(component.real("temp")),
        port_(component.word("form") == "port"),
        upstream_(component.word("total") == "upstream"),
        reduction_(component.word("group") == "max" ? GroupReduction::max : GroupReduction::mean) {}

  bool needs_table() const override { return true; }

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    check_budget(input);
    const std::vector<double> share = shares(input);
    const auto n_heads = static_cast<double>(share.size());
    const double base = port_ ? input.budget : input.budget - input.window;
    const double pooled = std::floor(base / beta_);
    std::vector<double> line;
    for (const double s : share) line.push_back(s * pooled * n_heads + (base - pooled));

    LayerPlan plan;
    plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
    plan.head_budget.resize(line.size());
    if (upstream_) {
      std::transform(line.begin(), line.end(), plan.head_budget.begin(), round_half_even);
      for (std::int32_t& entries : plan.head_budget) {
        plan.floors_hit += entries < 1 ? 1 : 0;
        entries = std::max(entries, 1);
      }
    } else {
      const double wanted = input.budget - input.window;
      for (double& entries : line) entries *= wanted / base;
      round_largest_remainder(line, plan.nominal - std::int64_t{input.window} * static_cast<std::int64_t>(line.size()),
                              plan.head_budget);
      plan.floors_hit = raise_to_floor(plan.head_budget, 1);
    }
    for (std::int32_t& entries : plan.head_budget) entries += static_cast<std::int32_t>(input.window);
    sum_layers(input, plan);
    return plan;
  }

 private:
  std::vector<double> shares(const LayerPlanInput& input) const {
    std::vector<double> share = table_per_cache("headkv", input, reduction_);
    const auto normalise = [&] {
      const double sum = std::accumulate(share.begin(), share.end(), 0.0);
      if (!(sum > 0) || !std::isfinite(sum)) throw BadTable("headkv: the scores of the table have no positive sum");
      for (double& s : share) s /= sum;
    };
    if (std::any_of(share.begin(), share.end(), [](double s) { return !(s >= 0); })) {
      throw BadTable("headkv: the table holds a negative score");
    }
    normalise();
    for (double& s : share) s = std::pow(s, temp_);
    normalise();
    return share;
  }

  double beta_, temp_;
  bool port_, upstream_;
  GroupReduction reduction_;
};

}  // namespace

AllocatorEntry headkv_entry() {
  return {
      {.name = "headkv",
       .summary = "fixed budget per head from a table of retrieval scores",
       .source = "HeadKV, arXiv 2410.19258; github.com/FYYFU/HeadKV 0862a09",
       .parameters = {text_parameter("table", "file of scores: HeadKV's JSON"),
                      real_parameter("beta", "1.01", 1, 10'000, "all but 1 - 1/beta of a budget goes by score"),
                      real_parameter("temp", "1", 0, 16, "exponent on the scores; 0 = uniform"),
                      word_parameter("group", {"mean", "max"}, "query heads of a KV head: mean or maximum score"),
                      word_parameter("form", {"official", "port"}, "window on top of, or beside, the shared budget"),
                      word_parameter("total", {"exact", "upstream"}, "memory of uniform, or the code's rounding")}},
      [](const Component& component) -> std::unique_ptr<Allocator> { return std::make_unique<HeadKv>(component); }};
}

}  // namespace kvwave::alloc
