// Which positions of one KV head got much attention, and when: what an eviction is later found to have cost.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// Rows of the group gave `position` more than kNeededShare in decode step `step`.
struct NeededEvent {
  std::uint32_t position = 0, step = 0;
  std::uint32_t heads = 1;  ///< whose rows: head_bit() of each query head of the group
};

/// Query heads of a group beyond the 31st share a bit.
constexpr std::uint32_t head_bit(std::uint32_t head_of_group) {
  return std::uint32_t{1} << (head_of_group < 31 ? head_of_group : 31);
}
inline constexpr std::uint32_t kAnyHead = 0xFFFFFFFFU;

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

  /// evicted_at: [n_positions] of one cache; `heads`: bits of the query heads that read it (kAnyHead when only the last
  /// steps are known).
  NeededAfterEviction after(std::span<const std::int32_t> evicted_at, std::uint32_t heads = kAnyHead) const;

 private:
  std::vector<std::size_t> start_;    // [n_positions + 1] of each position's steps
  std::vector<std::int32_t> steps_;   // ascending per position
  std::vector<std::uint32_t> heads_;  // of each step
  bool complete_ = true;
};

}  // namespace kvwave::replay
