// LazyEviction (arXiv 2506.15969): tokens whose importance recurs are kept until their usual interval has passed. The
// official code could not be obtained; this follows published descriptions.
//
//   TS_i  = last step in which position i got more than alpha; at first its own step, for the prompt its last position
//   MRI_i = largest interval between two such steps; 0 at first
//   score = H1 + H2;  H1 = 2 sigmoid(-(t - TS) / MRI), and for MRI = 0: 1 when TS = t, else 0
//   H2 is 0 for MRI = 0; its printed forms disagree, `h2` chooses (small intervals must score high in the text):
//     shifted 2 sigmoid(-(MRI - 1)); inverse-shifted 2 sigmoid(-1 / (MRI - 1)); lowered 2 sigmoid(-MRI - 1);
//     inverse 2 sigmoid(-1 / MRI); none
//
// After every `window` decoded tokens a cache above its budget keeps its newest `window` and the best of the rest, in
// time order. The test against alpha uses the row renormalised over the residents and the largest probability of the
// group (undocumented; heads=query tests each query head in a cache of its own). alpha is 5e-4 for R1-Llama-8B, 1e-4
// for Qwen. The paper measures the window: 80th percentile of MRI on 1 % of a data set, 175 for Qwen on MATH-500; 32
// stands for budgets of short traces.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

enum class RecurrenceTerm { shifted, inverse_shifted, lowered, inverse, none };

RecurrenceTerm term_of(const std::string& word) {
  if (word == "shifted") return RecurrenceTerm::shifted;
  if (word == "inverse-shifted") return RecurrenceTerm::inverse_shifted;
  if (word == "lowered") return RecurrenceTerm::lowered;
  return word == "inverse" ? RecurrenceTerm::inverse : RecurrenceTerm::none;
}

double twice_sigmoid(double x) {
  return 2 / (1 + std::exp(-x));
}

double recurrence(RecurrenceTerm term, double mri) {
  switch (term) {
    case RecurrenceTerm::shifted:
      return twice_sigmoid(-(mri - 1));
    case RecurrenceTerm::inverse_shifted:
      return mri > 1 ? twice_sigmoid(-1 / (mri - 1)) : 0;
    case RecurrenceTerm::lowered:
      return twice_sigmoid(-mri - 1);
    case RecurrenceTerm::inverse:
      return twice_sigmoid(-1 / mri);
    case RecurrenceTerm::none:
      break;
  }
  return 0;
}

struct LazyOptions {
  float alpha;
  bool delay;  // H1
  RecurrenceTerm term;
};

class LazyState final : public ScorerState {
 public:
  LazyState(const CacheIdentity& cache, const LazyOptions& options)
      : options_(options), touched_(cache.n_positions), longest_(cache.n_positions) {
    const std::uint32_t prompt_end = cache.n_prompt > 0 ? cache.n_prompt - 1 : 0;
    for (std::uint32_t i = 0; i < cache.n_positions; ++i) touched_[i] = std::max(i, prompt_end);
  }

  void observe(const ObservedRow& row) override {
    for (std::size_t j = 0; j < row.prob.size(); ++j) {
      if (!(row.prob[j] > options_.alpha)) continue;
      const std::uint32_t i = row.residents[j];
      longest_[i] = std::max(longest_[i], row.position - touched_[i]);
      touched_[i] = row.position;
    }
  }

  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) {
      const std::uint32_t i = residents.position[j];
      const double since = residents.now - touched_[i], mri = longest_[i];
      double value = mri > 0 ? recurrence(options_.term, mri) : 0;
      if (options_.delay) value += mri > 0 ? twice_sigmoid(-since / mri) : since == 0 ? 1 : 0;
      score[j] = static_cast<float>(value);
    }
  }

 private:
  LazyOptions options_;
  std::vector<std::uint32_t> touched_, longest_;  // TS and MRI by position
};

class LazyEviction final : public Scorer {
 public:
  explicit LazyEviction(const Component& component)
      : rule_(step_rule(component)),
        options_{.alpha = static_cast<float>(component.real("alpha")),
                 .delay = component.word("h1") == "on",
                 .term = term_of(component.word("h2"))} {
    rule_.window = rule_.buffer = static_cast<std::uint32_t>(component.integer("window"));
    rule_.trigger = Trigger::overflow_multiple;
  }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.prompt_rows = 1;
    needs.reduction = RowReduction::max;
    return needs;
  }

  std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const override {
    return std::make_unique<LazyState>(cache, options_);
  }

 private:
  RefreshRule rule_;
  LazyOptions options_;
};

}  // namespace

ScorerEntry lazyeviction_entry() {
  return {
      {.name = "lazyeviction",
       .summary = "recurrence of importance; cut lazily, once per window",
       .source = "LazyEviction, arXiv 2506.15969; from published descriptions",
       .parameters =
           joined({real_parameter("alpha", "5e-04", 0, 1, "probability above which a token recurs"),
                   integer_parameter("window", "32", 1, 1'000'000, "tokens between cuts, and newest entries kept"),
                   word_parameter("h1", {"on", "off"}, "the term of the time since the last recurrence"),
                   word_parameter("h2", {"shifted", "inverse-shifted", "lowered", "inverse", "none"}, "form of H2")},
                  step_parameters(true))},
      [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<LazyEviction>(component); }};
}

}  // namespace kvwave::alloc
