// H2O (Zhang et al. 2023, arXiv 2306.14048; github.com/FMInference/H2O at ac75c2a): heavy hitters and the newest.
//
//   S_j = sum over the rows so far of the probability of position j (prompt rows included, so early ones lead)
//
// form=drop (h2o_hf/utils_real_drop): after the attention of each step, rows added first, a cache above its budget B
// keeps the floor(heavy * B) best S among all but the newest B - floor(heavy * B), and those newest. Survivors keep
// their S. Slots stay in time order. Rows here are renormalised over what is resident. The code was written for one KV
// head per query head; with groups the probabilities are summed over the group, or heads=query gives each query head
// its own cache.
// form=prefill (KVCache-Factory's H2OKVCluster at c97f9d7): one cut after the prompt, the best B - window by S over all
// prompt rows and the last `window`; the decoded tail is never cut. Each query head has its own cache there.
// form=mask (h2o_hf/utils_hh), that of the paper's accuracy tables: h2o_mask.cpp.
// The "H2O" of the R-KV repository, which is neither cumulative nor able to run, is not offered.
#include <cmath>
#include <vector>

#include "alloc/components.h"
#include "alloc/h2o_mask.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

constexpr float kNewest = 1e30F;  // above any sum of probabilities, below protection

class H2oState final : public ScorerState {
 public:
  H2oState(std::uint32_t n_positions, double heavy_share, bool once)
      : sum_(n_positions), heavy_share_(heavy_share), once_(once) {}

  void observe(const ObservedRow& row) override {
    for (std::size_t j = 0; j < row.prob.size(); ++j) sum_[row.residents[j]] += static_cast<double>(row.prob[j]);
  }

  void score(const Residents& residents, std::span<float> score) const override {
    const auto heavy = static_cast<std::int32_t>(std::floor(heavy_share_ * residents.budget));
    const auto n_newest = once_ ? std::size_t{0} : static_cast<std::size_t>(residents.budget - heavy);
    for (std::size_t j = 0; j < score.size(); ++j) {
      const bool newest = j + n_newest >= score.size();
      score[j] = newest ? kNewest : static_cast<float>(sum_[residents.position[j]]);
    }
  }

 private:
  std::vector<double> sum_;  // by position
  double heavy_share_;
  bool once_;
};

class H2o final : public Scorer {
 public:
  explicit H2o(const Component& component)
      : rule_(step_rule(component)), heavy_share_(component.real("heavy")), once_(component.word("form") == "prefill") {
    if (!once_) return;
    rule_.trigger = Trigger::after_prompt;
    rule_.window = static_cast<std::uint32_t>(component.integer("window"));
  }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.prompt_rows = kAllPromptRows;
    return needs;
  }

  std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const override {
    return std::make_unique<H2oState>(cache.n_positions, heavy_share_, once_);
  }

 private:
  RefreshRule rule_;
  double heavy_share_;
  bool once_;
};

ParameterSpec h2o_form_parameter() {
  ParameterSpec form =
      word_parameter("form", {"drop", "prefill", "mask"}, "cut in every step, once after the prompt, or masked");
  form.presets = {{"prefill", "heads", "query"}, {"mask", "heads", "query"}};
  return form;
}

ParameterSpec sizes_parameter() {
  ParameterSpec sizes =
      word_parameter("sizes", {"budget", "prompt"}, "form=mask: shares of the budget, or of the prompt");
  sizes.presets = {{"prompt", "heavy", "0.1"}};
  return sizes;
}

}  // namespace

ScorerEntry h2o_entry() {
  return {
      {.name = "h2o",
       .summary = "largest sums of attention so far, and the newest; cut in every step",
       .source = "H2O, arXiv 2306.14048; github.com/FMInference/H2O ac75c2a",
       .parameters = joined({h2o_form_parameter(), sizes_parameter(),
                             real_parameter("heavy", "0.5", 0, 1, "share of heavy hitters (sizes=prompt: 0.1)"),
                             real_parameter("newest", "0.1", 0, 1, "sizes=prompt: share of the newest (else B's rest)"),
                             integer_parameter("window", "8", 0, 4096, "form=prefill: newest prompt entries kept")},
                            step_parameters(true))},
      [](const Component& component) -> std::unique_ptr<Scorer> {
        if (component.word("form") == "mask") return make_h2o_mask(component);
        return std::make_unique<H2o>(component);
      }};
}

}  // namespace kvwave::alloc
