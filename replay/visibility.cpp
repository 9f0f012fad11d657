#include "replay/visibility.h"

#include <cassert>

namespace kvwave::replay {

VisibilityTimeline::VisibilityTimeline(std::span<const std::int32_t* const> evicted_at, std::uint32_t n_positions,
                                       std::uint32_t n_steps)
    : n_columns_(static_cast<std::uint32_t>(evicted_at.size())), n_positions_(n_positions), start_(n_steps + 1, 0) {
  assert(evicted_at.size() <= 64);
  const auto end = static_cast<std::int32_t>(n_steps);
  for (const std::int32_t* const evicted : evicted_at) {
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      if (evicted[i] < end) ++start_[static_cast<std::size_t>(evicted[i]) + 1];
    }
  }
  for (std::size_t s = 0; s < n_steps; ++s) start_[s + 1] += start_[s];
  events_.resize(start_[n_steps]);
  std::vector<std::size_t> next(start_.begin(), start_.end() - 1);
  for (std::uint32_t c = 0; c < n_columns_; ++c) {
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      const std::int32_t step = evicted_at[c][i];
      if (step < end) events_[next[static_cast<std::size_t>(step)]++] = {i, c};
    }
  }
}

void VisibilityWords::start(const VisibilityTimeline& timeline, std::uint32_t step) {
  timeline_ = &timeline;
  const std::uint64_t everybody =
      timeline.n_columns() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << timeline.n_columns()) - 1;
  words_.assign(timeline.n_positions(), everybody);
  for (std::size_t e = 0; e < timeline.start_[step + 1]; ++e) {
    words_[timeline.events_[e].position] &= ~(std::uint64_t{1} << timeline.events_[e].column);
  }
  step_ = step;
  ++generation_;
}

void VisibilityWords::advance(std::uint32_t step) {
  const std::size_t begin = timeline_->start_[step_ + 1], end = timeline_->start_[step + 1];
  for (std::size_t e = begin; e < end; ++e) {
    words_[timeline_->events_[e].position] &= ~(std::uint64_t{1} << timeline_->events_[e].column);
  }
  if (end > begin) ++generation_;
  step_ = step;
}

std::uint32_t VisibilityWords::next_change(std::uint32_t limit) const {
  for (std::uint32_t s = step_ + 1; s < limit; ++s) {
    if (timeline_->start_[s + 1] > timeline_->start_[s]) return s;
  }
  return limit;
}

}  // namespace kvwave::replay
