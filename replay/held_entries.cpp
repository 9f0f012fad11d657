#include "replay/held_entries.h"

#include <algorithm>

namespace kvwave::replay {

HeldEntries held_entries(std::span<const std::uint32_t> resident, const BudgetHistory& budgets, std::uint32_t n_prompt,
                         std::uint32_t first, std::uint32_t page) {
  HeldEntries held;
  if (first >= resident.size()) return held;
  std::int64_t requested = 0;
  std::uint64_t total = 0, paged = 0, left = 0, left_paged = 0, n_evictions = 0;
  std::size_t change = 0;  // the latest change of budget before the step
  for (std::size_t s = first; s < resident.size(); ++s) {
    while (change + 1 < budgets.refresh_step.size() &&
           budgets.refresh_step[change + 1] < static_cast<std::int32_t>(s)) {
      ++change;
    }
    const std::uint32_t n = resident[s];
    const std::uint32_t before = s > 0 ? resident[s - 1] : n_prompt;
    if (n <= before) {  // the step's own entry is there: something else left
      left += n - 1;
      left_paged += in_pages(n - 1, page);
      ++n_evictions;
    }
    requested += budgets.budget == nullptr ? std::int64_t{n} : budgets.budget[change * budgets.stride];
    total += n;
    paged += in_pages(n, page);
    held.peak = std::max(held.peak, n);
  }
  const auto steps = static_cast<double>(resident.size() - first);
  held.requested = static_cast<double>(requested) / steps;
  held.mean = static_cast<double>(total) / steps;
  held.paged_mean = static_cast<double>(paged) / steps;
  held.paged_peak = in_pages(held.peak, page);
  if (n_evictions > 0) {
    held.steady = static_cast<double>(left) / static_cast<double>(n_evictions);
    held.paged_steady = static_cast<double>(left_paged) / static_cast<double>(n_evictions);
  }
  return held;
}

}  // namespace kvwave::replay
