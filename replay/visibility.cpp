#include "replay/visibility.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "replay/eviction_counts.h"

namespace kvwave::replay {

namespace {

const std::uint32_t* line_of(const CacheResidency& cache, std::uint32_t step) {
  return cache.visible + step * cache.line_words;
}

// Turns the bit of `column` over in every position of a page.
void toggle_page(std::vector<std::uint64_t>& words, std::uint32_t column, std::size_t page, std::uint32_t page_size) {
  const std::size_t first = page * page_size, last = std::min(words.size(), first + page_size);
  for (std::size_t i = first; i < last; ++i) words[i] ^= std::uint64_t{1} << column;
}

}  // namespace

VisibilityTimeline::VisibilityTimeline(std::span<const CacheResidency> columns, std::uint32_t n_positions,
                                       std::uint32_t n_steps)
    : n_columns_(static_cast<std::uint32_t>(columns.size())), n_positions_(n_positions), start_(n_steps + 1, 0) {
  assert(columns.size() <= 64);
  std::vector<std::uint32_t> leaving(n_steps + 1);
  for (std::uint32_t c = 0; c < n_columns_; ++c) {
    if (columns[c].page > 0) {
      paged_.push_back({columns[c], c});
    } else {
      add_eviction_counts({columns[c].evicted_at, n_positions}, leaving);
    }
  }
  for (std::size_t s = 0; s < n_steps; ++s) start_[s + 1] = start_[s] + leaving[s];
  std::vector<std::size_t> next = start_;
  events_.resize(start_[n_steps] + 1);  // what never leaves is written behind the events, again and again
  const auto end = static_cast<std::int32_t>(n_steps);
  for (std::uint32_t c = 0; c < n_columns_; ++c) {
    if (columns[c].page > 0) continue;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      const std::int32_t step = std::min(columns[c].evicted_at[i], end);
      std::size_t& at = next[static_cast<std::size_t>(step)];
      events_[at] = {i, c};
      at += step < end ? 1 : 0;
    }
  }
  events_.pop_back();
}

bool VisibilityTimeline::changes_at(std::uint32_t step) const {
  if (start_[step + 1] > start_[step]) return true;
  return std::any_of(paged_.begin(), paged_.end(), [&](const PagedColumn& paged) {
    const std::uint32_t* const before = line_of(paged.cache, step - 1);
    return !std::equal(before, before + paged.cache.line_words, line_of(paged.cache, step));
  });
}

void VisibilityWords::start(const VisibilityTimeline& timeline, std::uint32_t step) {
  timeline_ = &timeline;
  const std::uint64_t everybody =
      timeline.n_columns() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << timeline.n_columns()) - 1;
  words_.assign(timeline.n_positions(), everybody);
  for (std::size_t e = 0; e < timeline.start_[step + 1]; ++e) {
    words_[timeline.events_[e].position] &= ~(std::uint64_t{1} << timeline.events_[e].column);
  }
  for (const VisibilityTimeline::PagedColumn& paged : timeline.paged_) {
    const std::uint32_t* const line = line_of(paged.cache, step);
    for (std::size_t page = 0; page * paged.cache.page < words_.size(); ++page) {
      if ((line[page / 32] >> page % 32 & 1U) == 0) toggle_page(words_, paged.column, page, paged.cache.page);
    }
  }
  step_ = step;
  ++generation_;
}

void VisibilityWords::advance(std::uint32_t step) {
  const std::size_t begin = timeline_->start_[step_ + 1], end = timeline_->start_[step + 1];
  for (std::size_t e = begin; e < end; ++e) {
    words_[timeline_->events_[e].position] &= ~(std::uint64_t{1} << timeline_->events_[e].column);
  }
  const bool turned = advance_pages(step);
  if (end > begin || turned) ++generation_;
  step_ = step;
}

bool VisibilityWords::advance_pages(std::uint32_t step) {
  bool turned = false;
  for (const VisibilityTimeline::PagedColumn& paged : timeline_->paged_) {
    const std::uint32_t* const before = line_of(paged.cache, step_);
    const std::uint32_t* const now = line_of(paged.cache, step);
    for (std::size_t word = 0; word < paged.cache.line_words; ++word) {
      std::uint32_t changed = before[word] ^ now[word];
      turned |= changed != 0;
      for (; changed != 0; changed &= changed - 1) {
        const std::size_t page = word * 32 + static_cast<std::size_t>(std::countr_zero(changed));
        toggle_page(words_, paged.column, page, paged.cache.page);
      }
    }
  }
  return turned;
}

std::uint32_t VisibilityWords::next_change(std::uint32_t limit) const {
  for (std::uint32_t s = step_ + 1; s < limit; ++s) {
    if (timeline_->changes_at(s)) return s;
  }
  return limit;
}

}  // namespace kvwave::replay
