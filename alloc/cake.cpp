// CAKE's scores (Qin et al. 2025, arXiv 2503.12491; github.com/antgroup/cakekv at c4675ce, cake/); its layer budgets
// are the allocator of that name.
//
//   after the prompt: mean over the last `window` queries of the FULL-scope probability + gamma * unbiased variance
//   over
//                     them, candidates only
//   in every step:    the newest query's FULL-scope probability, candidates only
// then an average pool over slots (zeros beyond the ends, always divided by the kernel) and the mean over the group.
//
// Nothing accumulates in decoding: a windowed, pooled TOVA per KV head. Probabilities are over what is resident. The
// newest `window` stay; slots keep the order of scores, so that pooling neighbours are neighbours in score.
#include <algorithm>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

// value[j] averaged over slots j - kernel/2 .. j + kernel/2, missing ones as 0.
void average_pool(std::span<const double> value, std::uint32_t kernel, std::span<float> pooled) {
  const std::size_t reach = kernel / 2;
  for (std::size_t j = 0; j < value.size(); ++j) {
    const std::size_t end = std::min(value.size(), j + reach + 1);
    double sum = 0;
    for (std::size_t i = j - std::min(j, reach); i < end; ++i) sum += value[i];
    pooled[j] = static_cast<float>(sum / kernel);
  }
}

class CakeState final : public ScorerState {
 public:
  CakeState(std::uint32_t n_positions, std::uint32_t kernel, double gamma)
      : newest_(n_positions), kernel_(kernel), gamma_(gamma) {}

  void observe(const ObservedRow& row) override {
    for (std::size_t j = 0; j < row.prob.size(); ++j) newest_[row.residents[j]] = row.prob[j];
  }

  // The mean over the group and the pool are both linear, so their order does not matter.
  void score(const Residents& residents, std::span<float> score) const override {
    std::vector<double> value(score.size(), 0.0);
    const WindowRows& window = residents.window_rows;
    if (residents.refresh > 0) {
      for (std::size_t j = 0; j < value.size(); ++j) value[j] = static_cast<double>(newest_[residents.position[j]]);
    } else {
      for (std::uint32_t h = 0; h < window.n_heads; ++h) add_prompt_scores(window, h, value);
    }
    average_pool(value, kernel_, score);
  }

 private:
  void add_prompt_scores(const WindowRows& window, std::uint32_t head, std::span<double> value) const {
    const double n = window.n_queries;
    for (std::size_t j = 0; j < value.size(); ++j) {
      double sum = 0, spread = 0;
      for (std::uint32_t i = 0; i < window.n_queries; ++i) sum += static_cast<double>(window.row(i, head)[j]);
      const double mean = sum / n;
      for (std::uint32_t i = 0; i < window.n_queries; ++i) {
        const double off = static_cast<double>(window.row(i, head)[j]) - mean;
        spread += off * off;
      }
      const double variance = window.n_queries > 1 ? spread / (n - 1) : 0;
      value[j] += (mean + gamma_ * variance) / window.n_heads;
    }
  }

  std::vector<float> newest_;  // by position
  std::uint32_t kernel_;
  double gamma_;
};

class CakeScorer final : public Scorer {
 public:
  explicit CakeScorer(const Component& component)
      : rule_(step_rule(component)),
        kernel_(static_cast<std::uint32_t>(component.integer("kernel"))),
        gamma_(component.real("gamma")) {
    rule_.window = static_cast<std::uint32_t>(component.integer("window"));
    rule_.order = component.word("order") == "score" ? SlotOrder::score : SlotOrder::time;
  }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.reduction = RowReduction::mean;
    needs.window_rows = rule_.window;
    needs.window_rows_after_prompt_only = true;
    return needs;
  }

  std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const override {
    return std::make_unique<CakeState>(cache.n_positions, kernel_, gamma_);
  }

 private:
  RefreshRule rule_;
  std::uint32_t kernel_;
  double gamma_;
};

}  // namespace

ScorerEntry cake_scorer_entry() {
  return {
      {.name = "cake",
       .summary = "CAKE's scores: mean and variance after the prompt, then the newest row",
       .source = "CAKE, arXiv 2503.12491; github.com/antgroup/cakekv c4675ce",
       .parameters =
           joined({integer_parameter("window", "32", 1, 4096, "newest entries, always kept, inside the budget"),
                   integer_parameter("kernel", "5", 1, 255, "slots of the average pool; 1 = none", true),
                   real_parameter("gamma", "200", 0, 1e6, "weight of the variance after the prompt"),
                   word_parameter("order", {"score", "time"}, "slots of survivors: best first or by position")},
                  step_parameters(false))},
      [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<CakeScorer>(component); }};
}

}  // namespace kvwave::alloc
