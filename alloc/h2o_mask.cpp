// H2O as its published accuracy was measured (github.com/FMInference/H2O at ac75c2a, h2o_hf/utils_hh/modify_llama.py):
// every query head masks positions; nothing is freed, and a masked position can come back.
//
// With n positions so far, h heavy hitters and r newest (both fixed when the prompt ends), after the attention of a
// step (and of the prompt), once n > h + r:
//   S_j += the step's probability of j among what it saw (prompt: sum over all its rows)
//   the next step, which has n + 1 positions, sees its newest r and the h best S of [0, n - r); ties to the lower one
//   S_j = 0 for every j that is neither among those h nor in [n - r, n)
// Off by one, kept as in the code: n - r is invisible in the next step but keeps its S and is a candidate after it.
// Zeroed scores come back only through ties at 0.
//
// sizes=prompt is the code's h = int(0.1 n_prompt), r = int(0.1 n_prompt): they never grow and owe the budget B
// nothing. sizes=budget takes h = floor(heavy * B), r = B - h, to be compared with others. r is at least 1: a step sees
// itself.
#include "alloc/h2o_mask.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/page_protection.h"
#include "alloc/refresh_parameters.h"
#include "alloc/select_top.h"

namespace kvwave::alloc {
namespace {

struct MaskSizes {
  std::uint32_t heavy = 0, newest = 1;
};

class MaskSelector final : public StepSelector {
 public:
  MaskSelector(const CacheIdentity& cache, MaskSizes sizes, const Protection& protection)
      : sizes_(sizes),
        protection_(protection),
        n_prompt_(cache.n_prompt),
        sum_(cache.n_positions),
        visible_(cache.n_positions, true) {
    check_page_protection(protection, n_prompt_, 1, sizes.heavy + sizes.newest, "h2o:form=mask");
  }

  std::uint32_t page() const override { return 1; }

  void observe_prompt(std::uint32_t position, std::span<const float> row) override {
    for (std::size_t j = 0; j < row.size(); ++j) sum_[j] += static_cast<double>(row[j]);
    if (position + 1 == n_prompt_) mask(n_prompt_);
  }

  void select(const SelectorStep& step, PageChoice& choice) override {
    std::copy_n(visible_.begin(), step.now + 1, choice.visible.begin());
    double seen = 0;
    for (std::uint32_t j = 0; j <= step.now; ++j) {
      if (visible_[j]) seen += static_cast<double>(step.row[j]);
    }
    for (std::uint32_t j = 0; j <= step.now && seen > 0; ++j) {
      if (visible_[j]) sum_[j] += static_cast<double>(step.row[j]) / seen;
    }
    mask(step.now + 1);
  }

 private:
  // What the step after n positions sees, itself (position n) included.
  void mask(std::uint32_t n) {
    if (n <= sizes_.heavy + sizes_.newest) return;
    const std::uint32_t n_candidates = n - sizes_.newest;
    std::vector<float> score(sum_.begin(), sum_.begin() + n_candidates);
    for (std::uint32_t j = 0; j < n_candidates; ++j) {
      if (is_protected(j, n)) score[j] = std::numeric_limits<float>::max();
    }
    // The one position that is in neither set is seen only where it is protected, and then in place of a heavy hitter.
    const bool between = n_candidates < n && is_protected(n_candidates, n);
    std::fill_n(visible_.begin(), std::min<std::size_t>(n + 1, visible_.size()), false);
    const std::uint32_t n_heavy = sizes_.heavy - (between && sizes_.heavy > 0 ? 1U : 0U);
    for (const std::uint32_t j : select_top_set(score, n_heavy)) visible_[j] = true;
    for (std::uint32_t j = 0; j < n_candidates; ++j) {
      if (!visible_[j]) sum_[j] = 0;
    }
    if (between) visible_[n_candidates] = true;
    for (std::uint32_t j = n_candidates + 1; j <= n && j < visible_.size(); ++j) visible_[j] = true;
  }

  bool is_protected(std::uint32_t position, std::uint32_t newest) const {
    return is_protected_page(protection_, n_prompt_, 1, position, newest);
  }

  MaskSizes sizes_;
  Protection protection_;
  std::uint32_t n_prompt_;
  std::vector<double> sum_;  // S by position
  std::vector<bool> visible_;
};

class H2oMask final : public Scorer {
 public:
  explicit H2oMask(const Component& component)
      : rule_(step_rule(component)),
        of_prompt_(component.word("sizes") == "prompt"),
        heavy_(component.real("heavy")),
        newest_(component.real("newest")) {
    if (rule_.granularity != Granularity::q_head) {
      throw BadStrategy("h2o: form=mask masks for each query head: heads=query, not heads=kv");
    }
    if (rule_.prompt == PromptRule::keep) {
      throw BadStrategy("h2o: form=mask masks from the first decode step on: prompt=cut or protect, not keep");
    }
  }

  StrategyKind kind() const override { return StrategyKind::selection; }
  bool selects() const override { return true; }
  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.prompt_rows = kAllPromptRows;
    return needs;
  }

  std::unique_ptr<StepSelector> make_selector(const CacheIdentity& cache) const override {
    MaskSizes sizes;
    if (of_prompt_) {
      sizes.heavy = static_cast<std::uint32_t>(heavy_ * cache.n_prompt);
      sizes.newest = static_cast<std::uint32_t>(newest_ * cache.n_prompt);
    } else {
      sizes.heavy = static_cast<std::uint32_t>(std::floor(heavy_ * cache.budget));
      sizes.newest = static_cast<std::uint32_t>(cache.budget) - sizes.heavy;
    }
    sizes.newest = std::max(sizes.newest, 1U);
    Protection protection = rule_.protection;
    protection.prompt = rule_.protects_prompt();
    return std::make_unique<MaskSelector>(cache, sizes, protection);
  }

 private:
  RefreshRule rule_;
  bool of_prompt_;
  double heavy_, newest_;
};

}  // namespace

std::unique_ptr<Scorer> make_h2o_mask(const Component& component) {
  return std::make_unique<H2oMask>(component);
}

}  // namespace kvwave::alloc
