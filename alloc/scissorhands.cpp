// Scissorhands (Liu et al. 2023, arXiv 2305.17118), APPROXIMATE: no code of the authors is known. What is here follows
// the paper's idea and a helper in KVCache-Factory (pyramidkv/scissorhands.py at c97f9d7) that its runners do not call.
//
//   form=count: score_j = in how many of the last `history` rows position j got at least 1 / n, n residents: the mean
//   form=sum:   score_j = decay * score_j + probability, row by row (the helper's importance)
//
// A full buffer is cut after every `buffer` decoded tokens; the newest `window` stay. Rows are renormalised over the
// residents and averaged over the group (or heads=query). Slots stay in time order. Prompt rows count like others.
#include <deque>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

class CountState final : public ScorerState {
 public:
  CountState(std::uint32_t n_positions, std::size_t history) : count_(n_positions), history_(history) {}

  void observe(const ObservedRow& row) override {
    const float mean = 1.0F / static_cast<float>(row.prob.size());
    std::vector<std::uint32_t>& attended = rows_.emplace_back();
    for (std::size_t j = 0; j < row.prob.size(); ++j) {
      if (row.prob[j] < mean) continue;
      attended.push_back(row.residents[j]);
      ++count_[row.residents[j]];
    }
    if (rows_.size() <= history_) return;
    for (const std::uint32_t position : rows_.front()) --count_[position];
    rows_.pop_front();
  }
  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) score[j] = static_cast<float>(count_[residents.position[j]]);
  }

 private:
  std::vector<std::uint32_t> count_;             // by position
  std::deque<std::vector<std::uint32_t>> rows_;  // positions that count, oldest row first
  std::size_t history_;
};

class SumState final : public ScorerState {
 public:
  SumState(std::uint32_t n_positions, double decay) : sum_(n_positions), decay_(decay) {}

  void observe(const ObservedRow& row) override {
    for (std::size_t j = 0; j < row.prob.size(); ++j) {
      double& sum = sum_[row.residents[j]];
      sum = decay_ * sum + static_cast<double>(row.prob[j]);
    }
  }
  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) score[j] = static_cast<float>(sum_[residents.position[j]]);
  }

 private:
  std::vector<double> sum_;  // by position
  double decay_;
};

class Scissorhands final : public Scorer {
 public:
  explicit Scissorhands(const Component& component)
      : rule_(step_rule(component)),
        counts_(component.word("form") == "count"),
        history_(static_cast<std::uint32_t>(component.integer("history"))),
        decay_(component.real("decay")) {
    rule_.window = static_cast<std::uint32_t>(component.integer("window"));
    rule_.buffer = static_cast<std::uint32_t>(component.integer("buffer"));
    rule_.trigger = Trigger::overflow_multiple;
  }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.prompt_rows = counts_ ? history_ : kAllPromptRows;
    needs.reduction = RowReduction::mean;
    return needs;
  }

  std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const override {
    if (counts_) return std::make_unique<CountState>(cache.n_positions, history_);
    return std::make_unique<SumState>(cache.n_positions, decay_);
  }

 private:
  RefreshRule rule_;
  bool counts_;
  std::uint32_t history_;
  double decay_;
};

}  // namespace

ScorerEntry scissorhands_entry() {
  return {
      {.name = "scissorhands",
       .summary = "approximate: how often a position got more than the mean of late rows",
       .source = "Scissorhands, arXiv 2305.17118; helper in KVCache-Factory c97f9d7",
       .parameters = joined({word_parameter("form", {"count", "sum"}, "rows above the mean, or a decayed sum"),
                             integer_parameter("history", "400", 1, 1'000'000, "form=count: rows that count"),
                             real_parameter("decay", "1", 0, 1, "form=sum: weight of what was before a row"),
                             integer_parameter("window", "10", 0, 4096, "newest entries, always kept"),
                             integer_parameter("buffer", "1", 1, 1'000'000, "decoded tokens between cuts")},
                            step_parameters(true))},
      [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Scissorhands>(component); }};
}

}  // namespace kvwave::alloc
