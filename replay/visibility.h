// Who still sees what: one 64-bit word per position, bit c = "column c sees it", for up to 64 residencies at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::replay {

/// What one cache holds over time; memory of a LayerResidency.
struct CacheResidency {
  const std::int32_t* evicted_at = nullptr;  ///< [n_positions]; steps at or after n_steps do not matter
  // Caches whose entries come back (page > 0): evicted_at is not looked at.
  std::uint32_t page = 0;                  ///< positions per bit of `visible`
  const std::uint32_t* visible = nullptr;  ///< [n_steps, line_words]
  std::size_t line_words = 0;
};

/// All changes of up to 64 caches in the order of time. Destructive ones are events in which bits go out; caches whose
/// entries come back are looked up step by step.
class VisibilityTimeline {
 public:
  VisibilityTimeline(std::span<const CacheResidency> columns, std::uint32_t n_positions, std::uint32_t n_steps);

  std::uint32_t n_columns() const { return n_columns_; }
  std::uint32_t n_positions() const { return n_positions_; }

  /// `position` goes out of the sight of `column`.
  struct Event {
    std::uint32_t position;
    std::uint32_t column;
  };

  /// visit(step, events) for each step and destructive column that drops something in it, by step, then column; events
  /// are those of that column by position.
  template <class Visit>
  void for_each_eviction(Visit&& visit) const {
    for (std::uint32_t step = 0; step + 1 < start_.size(); ++step) {
      for (std::size_t begin = start_[step]; begin < start_[step + 1];) {
        std::size_t end = begin + 1;
        while (end < start_[step + 1] && events_[end].column == events_[begin].column) ++end;
        visit(step, std::span(events_).subspan(begin, end - begin));
        begin = end;
      }
    }
  }

 private:
  friend class VisibilityWords;
  struct PagedColumn {
    CacheResidency cache;
    std::uint32_t column;
  };
  bool changes_at(std::uint32_t step) const;

  std::uint32_t n_columns_, n_positions_;
  std::vector<Event> events_;       // by step, then column, then position
  std::vector<std::size_t> start_;  // [n_steps + 1] of each step's events
  std::vector<PagedColumn> paged_;
};

/// The words of one KV head, walked forward in time. Positions not yet generated carry bits of no meaning.
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
  bool advance_pages(std::uint32_t step);

  const VisibilityTimeline* timeline_ = nullptr;
  std::vector<std::uint64_t> words_;
  std::uint32_t step_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace kvwave::replay
