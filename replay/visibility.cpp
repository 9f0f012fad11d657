#include "replay/visibility.h"

#include <algorithm>
#include <cassert>

namespace kvwave::replay {

void VisibilityWords::start(std::span<const std::int32_t* const> evicted_at, std::uint32_t n_positions,
                            std::int32_t begin, std::int32_t end) {
  assert(evicted_at.size() <= 64);
  words_.assign(n_positions, 0);
  events_.clear();
  next_ = 0;
  for (std::size_t c = 0; c < evicted_at.size(); ++c) {
    const std::int32_t* const evicted = evicted_at[c];
    const std::uint64_t bit = std::uint64_t{1} << c;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      words_[i] |= evicted[i] > begin ? bit : 0;
      if (evicted[i] > begin && evicted[i] < end) events_.push_back({evicted[i], i, bit});
    }
  }
  std::sort(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
    return a.step != b.step           ? a.step < b.step
           : a.position != b.position ? a.position < b.position
                                      : a.leaving < b.leaving;
  });
}

void VisibilityWords::advance(std::int32_t step) {
  for (; next_ < events_.size() && events_[next_].step <= step; ++next_) {
    words_[events_[next_].position] &= ~events_[next_].leaving;
  }
}

std::int32_t VisibilityWords::next_change(std::int32_t limit) const {
  return next_ < events_.size() ? std::min(limit, events_[next_].step) : limit;
}

}  // namespace kvwave::replay
