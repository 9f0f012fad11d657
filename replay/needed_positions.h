// Which positions of one KV head got much attention, and when: what an eviction is later found to have cost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// A row of the group gave `position` more than kNeededShare in decode step `step`.
struct NeededEvent {
  std::uint32_t position = 0, step = 0;
};

/// Of one cache.
struct NeededAfterEviction {
  std::uint32_t n_positions = 0;  ///< positions that were needed in some step in which they were gone
  std::int32_t first_step = -1;   ///< the first such step of any of them; -1 = none
  bool first_step_known = true;   ///< false when only the last events are known (rows evaluated on a device)
};

class NeededSteps {
 public:
  NeededSteps() = default;
  /// parts: events in the order of their steps, part after part. n_positions of the sequence.
  NeededSteps(std::uint32_t n_positions, std::span<const std::vector<NeededEvent>> parts);
  /// Knows of each position only the last step in which it was needed, -1 = never.
  static NeededSteps from_last(std::span<const std::int32_t> last_step);

  /// evicted_at: [n_positions] of one cache.
  NeededAfterEviction after(std::span<const std::int32_t> evicted_at) const;

 private:
  std::vector<std::size_t> start_;   // [n_positions + 1] of each position's steps
  std::vector<std::int32_t> steps_;  // ascending per position
  bool complete_ = true;
};

}  // namespace kvwave::replay
