// SnapKV as published (Li et al. 2024, arXiv 2404.14469; github.com/FasterDecoding/SnapKV at e216ddc,
// snapkv/monkeypatch/snapkv_utils.py): one cut of the prompt; decoded tokens are never dropped.
//
//   A_j = sum over the last `window` prompt queries of the FULL softmax probability (window columns in the
//         denominator, so a row's candidates sum to less than 1)
//   score_j = pool of A over slots: avg (zeros beyond the ends count) or max, `kernel` wide
//
// The official code repeats keys to query heads first: every query head keeps its own subset and a budget counts G
// times the entries (granularity=q_head). granularity=kv_head reduces over the group after the softmax, before the
// pool, as KVCache-Factory and kvpress do. reduce=mean divides by the window: AdaKV's form; inside one cache it ranks
// alike. Defaults are those of the model patch (window 32, kernel 5, avg); LongBench runs use kernel 7 and max.
#include <algorithm>
#include <string>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"
#include "alloc/slot_pool.h"

namespace kvwave::alloc {
namespace {

class SnapKvPrefill final : public Scorer {
 public:
  explicit SnapKvPrefill(const Component& component)
      : kernel_(static_cast<std::uint32_t>(component.integer("kernel"))),
        average_(component.word("pool") == "avg"),
        mean_(component.word("reduce") == "mean"),
        group_(component.word("group")) {
    rule_.window = static_cast<std::uint32_t>(component.integer("window"));
    rule_.trigger = Trigger::after_prompt;
    rule_.granularity = component.word("granularity") == "q_head" ? Granularity::q_head : Granularity::kv_head;
    rule_.order = component.word("order") == "score" ? SlotOrder::score : SlotOrder::time;
    rule_.protection = Protection::parse(component.word("protect"));
  }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.window_rows = rule_.window;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    const WindowRows& rows = residents.window_rows;
    std::vector<double> sum(score.size(), 0.0);
    for (std::uint32_t i = 0; i < rows.n_queries; ++i) {
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += over_group(rows, i, j);
    }
    if (mean_) {
      for (double& s : sum) s /= rows.n_queries;
    }
    if (average_) {
      average_pool(sum, kernel_, score);
    } else {
      max_pool(sum, kernel_, score);
    }
  }

 private:
  double over_group(const WindowRows& rows, std::uint32_t query, std::size_t slot) const {
    double sum = 0, largest = 0;
    for (std::uint32_t g = 0; g < rows.n_heads; ++g) {
      const double p = rows.row(query, g)[slot];
      sum += p;
      largest = std::max(largest, p);
    }
    if (group_ == "max") return largest;
    return group_ == "mean" ? sum / rows.n_heads : sum;
  }

  RefreshRule rule_;
  std::uint32_t kernel_;
  bool average_, mean_;
  std::string group_;
};

}  // namespace

ScorerEntry snapkv_prefill_entry() {
  return {
      {.name = "snapkv-prefill",
       .summary = "one cut of the prompt by what its last queries attend to, then none",
       .source = "SnapKV, arXiv 2404.14469; github.com/FasterDecoding/SnapKV e216ddc",
       .parameters = {integer_parameter("window", "32", 1, 4096, "newest entries, always kept, inside the budget"),
                      integer_parameter("kernel", "5", 1, 255, "slots of the pool; 1 = none", true),
                      word_parameter("pool", {"avg", "max"}, "zeros beyond the ends count, or not"),
                      word_parameter("granularity", {"q_head", "kv_head"}, "one cache per query head, or KV head"),
                      word_parameter("group", {"mean", "max", "sum"}, "query heads of a KV head (kv_head)"),
                      word_parameter("reduce", {"sum", "mean"}, "over the window's queries"), protection_parameter(),
                      word_parameter("order", {"score", "time"}, "slots of survivors: best first or by position")}},
      [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<SnapKvPrefill>(component); }};
}

}  // namespace kvwave::alloc
