// Quest (Tang et al. 2024, arXiv 2406.10774; github.com/mit-han-lab/Quest at 01c1623): nothing is evicted; in each step
// each query head reads the pages whose keys could match its query best.
//
//   per page and channel the smallest and the largest key (post-RoPE);
//   page score = sum over channels c of max(q_c * smallest_c, q_c * largest_c), without 1 / sqrt(d)
//   k = min(max(3, floor(B / page)), pages); ties to the lower page
//
// form=eval (evaluation/quest_attention.py): the k best pages; the partial last one is scored on the keys it has and
// not forced. form=kernel: the last page always, and the k - 1 best of the others. Layers 0 and 1 read everything.
// The gain is bytes read per step: memory stays that of the full cache.
#include <algorithm>
#include <limits>
#include <vector>

#include "alloc/components.h"
#include "alloc/page_protection.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"
#include "alloc/select_top.h"

namespace kvwave::alloc {
namespace {

constexpr std::uint32_t kFewestPages = 3;

struct QuestOptions {
  std::uint32_t page;
  std::uint32_t dense_layers;
  bool forces_last;
  Protection protection;
};

class QuestSelector final : public StepSelector {
 public:
  QuestSelector(const CacheIdentity& cache, const QuestOptions& options)
      : options_(options),
        dense_(cache.layer < options.dense_layers),
        n_prompt_(cache.n_prompt),
        most_pages_(std::max(kFewestPages, static_cast<std::uint32_t>(cache.budget) / options.page)) {
    if (!dense_) check_page_protection(options.protection, n_prompt_, options.page, most_pages_, "quest");
  }

  std::uint32_t page() const override { return options_.page; }

  void select(const SelectorStep& step, PageChoice& choice) override {
    const std::uint32_t n_pages = step.now / options_.page + 1;
    if (dense_) {
      std::fill_n(choice.visible.begin(), n_pages, true);
      return;
    }
    for (; n_keys_ <= step.now; ++n_keys_) add_key(step.keys[n_keys_]);
    score_pages(step.queries[step.now], n_pages);
    for (std::uint32_t p = 0; p < n_pages; ++p) {
      const bool forced = (options_.forces_last && p + 1 == n_pages) ||
                          is_protected_page(options_.protection, n_prompt_, options_.page, p, step.now);
      if (forced) score_[p] = std::numeric_limits<float>::max();
    }
    std::fill(choice.visible.begin(), choice.visible.end(), false);
    for (const std::uint32_t p : select_top_set(score_, std::min(most_pages_, n_pages))) choice.visible[p] = true;
  }

 private:
  void add_key(std::span<const float> key) {
    const std::size_t d = key.size(), at = n_keys_ / options_.page * d;
    if (n_keys_ % options_.page == 0) {
      smallest_.insert(smallest_.end(), key.begin(), key.end());
      largest_.insert(largest_.end(), key.begin(), key.end());
      return;
    }
    for (std::size_t c = 0; c < d; ++c) {
      smallest_[at + c] = std::min(smallest_[at + c], key[c]);
      largest_[at + c] = std::max(largest_[at + c], key[c]);
    }
  }

  void score_pages(std::span<const float> query, std::uint32_t n_pages) {
    const std::size_t d = query.size();
    score_.resize(n_pages);
    for (std::size_t p = 0; p < n_pages; ++p) {
      float sum = 0;
      for (std::size_t c = 0; c < d; ++c) {
        sum += std::max(query[c] * smallest_[p * d + c], query[c] * largest_[p * d + c]);
      }
      score_[p] = sum;
    }
  }

  QuestOptions options_;
  bool dense_;
  std::uint32_t n_prompt_, most_pages_;
  std::uint32_t n_keys_ = 0;
  std::vector<float> smallest_, largest_;  // [pages, d]
  std::vector<float> score_;               // [pages]
};

class Quest final : public Scorer {
 public:
  explicit Quest(const Component& component)
      : options_{.page = static_cast<std::uint32_t>(component.integer("page")),
                 .dense_layers = static_cast<std::uint32_t>(component.integer("dense")),
                 .forces_last = component.word("form") == "kernel",
                 .protection = Protection::parse(component.word("protect"))} {}

  StrategyKind kind() const override { return StrategyKind::selection; }
  bool selects() const override { return true; }

  RefreshRule rule() const override {
    RefreshRule rule;
    rule.window = 0;
    rule.buffer = 1;
    rule.prompt = PromptRule::keep;
    rule.order = SlotOrder::time;
    rule.trigger = Trigger::every_step;
    rule.granularity = Granularity::q_head;
    rule.protection = options_.protection;
    return rule;
  }

  Needs needs() const override {
    Needs needs;
    needs.keys = true;
    needs.queries = true;
    return needs;
  }

  std::unique_ptr<StepSelector> make_selector(const CacheIdentity& cache) const override {
    return std::make_unique<QuestSelector>(cache, options_);
  }

 private:
  QuestOptions options_;
};

}  // namespace

ScorerEntry quest_entry() {
  return {{.name = "quest",
           .summary = "selection: each query head reads its best pages; nothing is freed",
           .source = "Quest, arXiv 2406.10774; github.com/mit-han-lab/Quest 01c1623",
           .parameters = {word_parameter("form", {"eval", "kernel"}, "as the evaluation code, or last page forced"),
                          integer_parameter("page", "16", 1, 4096, "positions of a page"),
                          integer_parameter("dense", "2", 0, 1024, "first layers that read everything"),
                          protection_parameter()}},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Quest>(component); }};
}

}  // namespace kvwave::alloc
