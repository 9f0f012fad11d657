// Who still sees what: one 64-bit word per position, bit c = "configuration c sees it", for up to 64 residencies at
// once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// All evictions of one KV head in the order of time.
class VisibilityTimeline {
 public:
  /// evicted_at[c]: [n_positions] of residency c, at most 64; steps at or after n_steps do not matter.
  VisibilityTimeline(std::span<const std::int32_t* const> evicted_at, std::uint32_t n_positions, std::uint32_t n_steps);

  std::uint32_t n_columns() const { return n_columns_; }
  std::uint32_t n_positions() const { return n_positions_; }

 private:
  friend class VisibilityWords;
  struct Event {
    std::uint32_t position;
    std::uint32_t column;
  };
  std::uint32_t n_columns_, n_positions_;
  std::vector<Event> events_;       // by step, then column, then position
  std::vector<std::size_t> start_;  // [n_steps + 1] of each step's events
};

/// The words of one KV head, walked forward in time. Evictions are destructive: bits only go out. Positions not yet
/// generated carry their bits already.
class VisibilityWords {
 public:
  /// Goes to `step`, also backwards. `timeline` must outlive the walk.
  void start(const VisibilityTimeline& timeline, std::uint32_t step);

  std::span<const std::uint64_t> words() const { return words_; }
  /// Moves on to `step`, not before the current one.
  void advance(std::uint32_t step);
  /// The first step after the current one, and below `limit`, at which some word changes; `limit` when there is none.
  std::uint32_t next_change(std::uint32_t limit) const;
  /// Differs whenever words differ from those of an earlier step.
  std::uint64_t generation() const { return generation_; }

 private:
  const VisibilityTimeline* timeline_ = nullptr;
  std::vector<std::uint64_t> words_;
  std::uint32_t step_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace kvwave::replay
