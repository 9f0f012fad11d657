// Pages by last use, after WakeKV (github.com/UtkarshRjn/WakeKV at 257f2ce, wakekv/residency.py,
// reactive_controller.py).
//
//   wanted pages of a step: those of the `wanted` positions that get most in its row, and the page being written
//   form=reservoir: wanted pages are touched, fetched from the reservoir first where they are away; after the step the
//                   pages touched longest ago leave until floor(B / page) are left (at least 1)
//   form=destroy:   the same without a reservoir: what leaves is gone, later wants of it are misses, and only rows over
//                   what is left say what is wanted
//
// Ties in the last touch go to the lower page. A step reads what is resident in it, fetched pages included, so it can
// read more than B. Entries that move count in both directions: a fetch each time, writing a page out once (its copy
// stays in the reservoir). First touches are no misses: the prompt starts resident and is cut to the budget before the
// first step (prompt=cut; keep: after it). The row is the mean over the group's (heads=query: one cache per query
// head).
#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "alloc/components.h"
#include "alloc/page_protection.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

struct LruOptions {
  std::uint32_t page;
  std::uint32_t n_wanted;
  bool destroys;
  PromptRule prompt;
  Protection protection;
};

class LruSelector final : public StepSelector {
 public:
  LruSelector(const CacheIdentity& cache, const LruOptions& options)
      : options_(options),
        n_prompt_(cache.n_prompt),
        most_pages_(std::max(1U, static_cast<std::uint32_t>(cache.budget) / options.page)),
        pages_((cache.n_positions + options.page - 1) / options.page) {
    check_page_protection(options.protection, n_prompt_, options.page, most_pages_, "lru");
    if (n_prompt_ == 0) return;
    for (std::uint32_t p = 0; p <= (n_prompt_ - 1) / options.page; ++p) pages_[p] = {.resident = true, .exists = true};
  }

  std::uint32_t page() const override { return options_.page; }

  void select(const SelectorStep& step, PageChoice& choice) override {
    choice.moved = 0;
    if (clock_ == 0 && options_.prompt == PromptRule::cut && n_prompt_ > 0) cut(n_prompt_ - 1, choice);
    ++clock_;
    touch(step.now / options_.page, step.now, choice);
    for (const std::uint32_t p : wanted_pages(step)) touch(p, step.now, choice);
    for (std::size_t p = 0; p < pages_.size(); ++p) choice.visible[p] = pages_[p].resident;
    cut(step.now, choice);
  }

 private:
  struct Page {
    std::uint32_t touched = 0;
    bool resident = false, exists = false;
    bool copied = false;  // the reservoir holds it
  };

  bool gone(std::uint32_t position) const {
    const Page& page = pages_[position / options_.page];
    return options_.destroys && page.exists && !page.resident;
  }

  std::vector<std::uint32_t> wanted_pages(const SelectorStep& step) const {
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < step.row.size(); ++i) {
      if (!gone(i)) order.push_back(i);
    }
    const auto n = static_cast<std::ptrdiff_t>(std::min<std::size_t>(order.size(), options_.n_wanted));
    const auto more = [&](std::uint32_t a, std::uint32_t b) {
      return step.row[a] != step.row[b] ? step.row[a] > step.row[b] : a < b;
    };
    if (n < static_cast<std::ptrdiff_t>(order.size()))
      std::nth_element(order.begin(), order.begin() + n, order.end(), more);
    std::vector<std::uint32_t> wanted;
    for (auto at = order.begin(); at != order.begin() + n; ++at) wanted.push_back(*at / options_.page);
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    return wanted;
  }

  std::uint32_t entries(std::uint32_t page, std::uint32_t now) const {
    return std::min(options_.page, now + 1 - page * options_.page);
  }

  void touch(std::uint32_t p, std::uint32_t now, PageChoice& choice) {
    Page& page = pages_[p];
    if (page.exists && !page.resident) choice.moved += entries(p, now);
    page.exists = page.resident = true;
    page.touched = clock_;
  }

  // The page being written was just touched; it and protected pages stay.
  void cut(std::uint32_t now, PageChoice& choice) {
    std::vector<std::uint32_t> leaving;
    std::uint32_t n_resident = 0;
    for (std::uint32_t p = 0; p < pages_.size(); ++p) {
      if (!pages_[p].resident) continue;
      ++n_resident;
      const bool stays =
          p == now / options_.page || is_protected_page(options_.protection, n_prompt_, options_.page, p, now);
      if (!stays) leaving.push_back(p);
    }
    if (n_resident <= most_pages_) return;
    std::stable_sort(leaving.begin(), leaving.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return pages_[a].touched < pages_[b].touched; });
    leaving.resize(std::min<std::size_t>(leaving.size(), n_resident - most_pages_));
    for (const std::uint32_t p : leaving) {
      pages_[p].resident = false;
      if (!options_.destroys && !pages_[p].copied) choice.moved += entries(p, now);
      pages_[p].copied = true;
    }
  }

  LruOptions options_;
  std::uint32_t n_prompt_, most_pages_;
  std::uint32_t clock_ = 0;
  std::vector<Page> pages_;
};

class Lru final : public Scorer {
 public:
  explicit Lru(const Component& component)
      : rule_(step_rule(component)),
        options_{.page = static_cast<std::uint32_t>(component.integer("page")),
                 .n_wanted = static_cast<std::uint32_t>(component.integer("wanted")),
                 .destroys = component.word("form") == "destroy",
                 .prompt = rule_.prompt,
                 .protection = rule_.protection} {
    options_.protection.prompt = rule_.protects_prompt();
  }

  StrategyKind kind() const override { return options_.destroys ? StrategyKind::destructive : StrategyKind::offload; }
  bool selects() const override { return true; }
  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.rows = true;
    needs.reduction = RowReduction::mean;
    return needs;
  }

  std::unique_ptr<StepSelector> make_selector(const CacheIdentity& cache) const override {
    return std::make_unique<LruSelector>(cache, options_);
  }

 private:
  RefreshRule rule_;
  LruOptions options_;
};

}  // namespace

ScorerEntry lru_entry() {
  return {{.name = "lru",
           .summary = "offload: pages by last use, fetched back when wanted; or destroyed",
           .source = "github.com/UtkarshRjn/WakeKV 257f2ce (reactive, evict)",
           .parameters = joined({word_parameter("form", {"reservoir", "destroy"}, "pages come back, or are gone"),
                                 integer_parameter("page", "16", 1, 4096, "positions of a page"),
                                 integer_parameter("wanted", "64", 1, 1'000'000, "largest of a row that want pages")},
                                step_parameters(true))},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Lru>(component); }};
}

}  // namespace kvwave::alloc
