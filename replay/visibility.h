// Who still sees what: one 64-bit word per position, bit c = "configuration c sees it", for up to 64 residencies at
// once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// The words of one KV head, walked forward in time from a chosen step. Evictions are destructive: bits only go out.
class VisibilityWords {
 public:
  /// evicted_at[c]: [n_positions] of residency c, at most 64. Events up to `end` (exclusive) are prepared; the words
  /// start at step `begin`.
  void start(std::span<const std::int32_t* const> evicted_at, std::uint32_t n_positions, std::int32_t begin,
             std::int32_t end);

  /// Words at the current step, [n_positions]. Positions not yet generated carry their bits already.
  std::span<const std::uint64_t> words() const { return words_; }
  /// Moves on to `step` (not before the current one, below `end`).
  void advance(std::int32_t step);
  /// The first step after the current one, and below `limit`, at which some word changes; `limit` when there is none.
  std::int32_t next_change(std::int32_t limit) const;

 private:
  struct Event {
    std::int32_t step;
    std::uint32_t position;
    std::uint64_t leaving;
  };
  std::vector<std::uint64_t> words_;
  std::vector<Event> events_;  // by step, then position
  std::size_t next_ = 0;
};

}  // namespace kvwave::replay
