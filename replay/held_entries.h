// What one cache was asked to hold and what it held: the ledger of one KV head in one layer.
#pragma once

#include <cstdint>
#include <span>

#include "replay/no_figure.h"

namespace kvwave::replay {

/// Over the counted steps; NaN where there is none.
struct HeldEntries {
  double requested = kNoFigure;                                 ///< budget in force, mean
  double mean = kNoFigure;                                      ///< entries that attention reads, mean
  double steady = kNoFigure;                                    ///< entries left by an eviction, mean over evictions
  std::uint32_t peak = 0;                                       ///< largest number of entries in one step
  // The same where entries are held in whole pages: each number is rounded up to a multiple of the page.
  double paged_mean = kNoFigure;
  double paged_steady = kNoFigure;
  std::uint32_t paged_peak = 0;
};

/// `n` rounded up to a multiple of `page` (at least 1).
inline std::uint32_t in_pages(std::uint32_t n, std::uint32_t page) {
  return page == 1 ? n : (n + page - 1) / page * page;
}

/// Budgets of a cache over time: budget[i * stride] is in force after decode step refresh_step[i], ascending; empty:
/// the cache asks for what it holds.
struct BudgetHistory {
  std::span<const std::int32_t> refresh_step;
  const std::int32_t* budget = nullptr;
  std::size_t stride = 1;
};

/// resident: entries read in each decode step; `first`: first counted step. n_prompt entries were there before step 0.
HeldEntries held_entries(std::span<const std::uint32_t> resident, const BudgetHistory& budgets, std::uint32_t n_prompt,
                         std::uint32_t first, std::uint32_t page);

}  // namespace kvwave::replay
