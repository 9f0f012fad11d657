#include "replay/turnover.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "replay/eviction_counts.h"

namespace kvwave::replay {

Turnover head_turnover(std::span<const std::int32_t> evicted_at, const Sequence& sequence) {
  const auto n_steps = static_cast<std::int32_t>(sequence.n_steps());
  // Per step: how many entries leave, and how many of them the previous eviction had left (were there already). What
  // stays to the end counts in a line of its own.
  std::vector<std::uint32_t> leaving(static_cast<std::size_t>(n_steps) + 1), old(leaving.size());
  add_eviction_counts(evicted_at, leaving);
  std::vector<std::uint32_t> there_before(leaving.size(), 0);  // positions held when the previous eviction began
  std::uint32_t there = 0;
  for (std::uint32_t s = 0; s + 1 < leaving.size(); ++s) {
    there_before[s] = there;
    there = leaving[s] > 0 ? sequence.n_prompt + s : there;
  }
  std::vector<std::uint32_t> other(leaving.size());  // two tables by turns, as in add_eviction_counts()
  for (std::uint32_t i = 0; i < evicted_at.size(); ++i) {
    const auto step = static_cast<std::size_t>(std::min(evicted_at[i], n_steps));
    (i % 2 == 0 ? old : other)[step] += i < there_before[step] ? 1U : 0U;
  }
  for (std::size_t s = 0; s < old.size(); ++s) old[s] += other[s];
  leaving.pop_back();
  double churn = 0, jaccard = 0;
  std::uint32_t n_churn = 0, n_jaccard = 0, n_evictions = 0, gone = 0, left_before = 0;
  for (std::size_t s = 0; s < leaving.size(); ++s) {
    if (leaving[s] == 0) continue;
    const auto held = static_cast<std::uint32_t>(sequence.n_prompt + s) - gone;  // before the step's own token
    const std::uint32_t left = held - leaving[s];
    if (held > 0) {
      churn += static_cast<double>(leaving[s]) / held;
      ++n_churn;
    }
    if (n_evictions++ > 0) {
      const std::uint32_t both = left_before - old[s];
      const std::uint32_t either = left_before + left - both;
      jaccard += either > 0 ? static_cast<double>(both) / either : 1.0;
      ++n_jaccard;
    }
    gone += leaving[s];
    left_before = left;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return {n_churn > 0 ? static_cast<float>(churn / n_churn) : nan,
          n_jaccard > 0 ? static_cast<float>(jaccard / n_jaccard) : nan};
}

}  // namespace kvwave::replay
