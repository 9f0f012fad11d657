// TOVA (Oren et al. 2024, arXiv 2401.06104; github.com/schwartz-lab-NLP/TOVA at 9c7d09b, src/tova_cache.py): drop what
// the newest query attends to least.
//
//   score_j = mean over all query heads of the layer of the newest row's probability of position j
//
// One set of positions for all heads of a layer, in time order; cut after the attention of each step that leaves more
// than the budget, after the prompt by its last row. Nothing is protected: sinks and even the newest token itself can
// go (its own probability is in the row). The variant of kvpress keeps the newest: protect=recent:1.
#include <algorithm>
#include <vector>

#include "alloc/components.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

class TovaState final : public ScorerState {
 public:
  explicit TovaState(std::uint32_t n_positions) : newest_(n_positions) {}

  void observe(const ObservedRow& row) override {
    for (std::size_t j = 0; j < row.prob.size(); ++j) newest_[row.residents[j]] = row.prob[j];
  }
  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) score[j] = newest_[residents.position[j]];
  }

 private:
  std::vector<float> newest_;  // by position
};

class Tova final : public Scorer {
 public:
  explicit Tova(const Component& component) : rule_(step_rule(component)) { rule_.granularity = Granularity::layer; }

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.prompt_rows = 1;
    needs.reduction = RowReduction::mean;
    return needs;
  }

  std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const override {
    return std::make_unique<TovaState>(cache.n_positions);
  }

 private:
  RefreshRule rule_;
};

}  // namespace

ScorerEntry tova_entry() {
  return {{.name = "tova",
           .summary = "what the newest query attends to, one set per layer; cut in every step",
           .source = "TOVA, arXiv 2401.06104; github.com/schwartz-lab-NLP/TOVA 9c7d09b",
           .parameters = step_parameters(false)},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Tova>(component); }};
}

}  // namespace kvwave::alloc
