#include "replay/needed_positions.h"

#include <algorithm>

namespace kvwave::replay {

NeededSteps::NeededSteps(std::uint32_t n_positions, std::span<const std::vector<NeededEvent>> parts)
    : start_(std::size_t{n_positions} + 1, 0) {
  for (const std::vector<NeededEvent>& part : parts) {
    for (const NeededEvent& event : part) ++start_[event.position + 1];
  }
  for (std::size_t i = 0; i < n_positions; ++i) start_[i + 1] += start_[i];
  steps_.resize(start_[n_positions]);
  heads_.resize(steps_.size());
  std::vector<std::size_t> next(start_.begin(), start_.end() - 1);
  for (const std::vector<NeededEvent>& part : parts) {
    for (const NeededEvent& event : part) {
      const std::size_t at = next[event.position]++;
      steps_[at] = static_cast<std::int32_t>(event.step);
      heads_[at] = event.heads;
    }
  }
}

NeededSteps NeededSteps::from_last(std::span<const std::int32_t> last_step) {
  NeededSteps needed;
  needed.complete_ = false;
  needed.start_.push_back(0);
  for (const std::int32_t step : last_step) {
    if (step >= 0) needed.steps_.push_back(step);
    needed.start_.push_back(needed.steps_.size());
    needed.heads_.resize(needed.steps_.size(), kAnyHead);
  }
  return needed;
}

NeededAfterEviction NeededSteps::after(std::span<const std::int32_t> evicted_at, std::uint32_t heads) const {
  NeededAfterEviction found;
  found.first_step_known = complete_;
  for (std::size_t i = 0; i + 1 < start_.size(); ++i) {
    if (start_[i] == start_[i + 1] || steps_[start_[i + 1] - 1] < evicted_at[i]) continue;
    const auto begin = steps_.begin() + static_cast<std::ptrdiff_t>(start_[i]);
    const auto end = steps_.begin() + static_cast<std::ptrdiff_t>(start_[i + 1]);
    auto at = std::lower_bound(begin, end, evicted_at[i]);
    while (at != end && (heads_[static_cast<std::size_t>(at - steps_.begin())] & heads) == 0) ++at;
    if (at == end) continue;
    ++found.n_positions;
    if (found.first_step < 0 || *at < found.first_step) found.first_step = *at;
  }
  return found;
}

}  // namespace kvwave::replay
