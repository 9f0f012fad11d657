#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <xmmintrin.h>

#include "kernels/rkv_redundancy.h"

namespace kvwave::kernels {

void unit_keys(std::span<const float> keys, std::uint32_t head_dim, std::span<float> unit) {
  assert(keys.size() == unit.size() && keys.size() % head_dim == 0);
  for (std::size_t start = 0; start < keys.size(); start += head_dim) {
    double square = 0;
    for (std::uint32_t c = 0; c < head_dim; ++c) square += static_cast<double>(keys[start + c]) * keys[start + c];
    const double inverse = 1.0 / (std::sqrt(square) + 1e-8);
    for (std::uint32_t c = 0; c < head_dim; ++c) unit[start + c] = static_cast<float>(keys[start + c] * inverse);
  }
}

namespace {

// Bit i: dots[i] > threshold (SSE is part of baseline x86-64).
std::uint32_t lanes_above(const float (&dots)[kPanelKeys], float threshold) {
  const __m128 least = _mm_set1_ps(threshold);
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kPanelKeys; i += 4) {
    bits |= static_cast<std::uint32_t>(_mm_movemask_ps(_mm_cmpgt_ps(_mm_loadu_ps(dots + i), least))) << i;
  }
  return bits;
}

// For every row the exempted column is found and its cosine taken out of that column's sum. Rows are searched together,
// panel by panel from the newest slot; a row leaves the list when its near-duplicate is found. A cosine is the same
// from both sides: where most older rows meet a panel anyway, the panel's own rows are settled by what those rows saw.
class NearDuplicates {
 public:
  NearDuplicates(std::span<const float> unit, std::span<const std::uint32_t> position, const KeyPanels& panels,
                 float threshold, std::span<std::uint32_t> retained, RedundancyScratch& scratch)
      : unit_(unit),
        position_(position),
        panels_(panels),
        threshold_(threshold),
        retained_(retained),
        column_(scratch.column),
        open_(scratch.open_row),
        is_open_(scratch.is_open) {
    const std::uint32_t n = panels.n_keys();
    open_.resize(n);
    for (std::uint32_t i = 0; i < n; ++i) open_[i] = n - 1 - i;
    is_open_.assign(n, 1);
  }

  void exempt() {
    for (panel_ = panels_.n_panels(); panel_-- > 0 && !open_.empty();) {
      first_slot_ = panel_ * kPanelKeys;
      const std::size_t n_open = open_.size();
      const auto older = static_cast<std::size_t>(
          std::find_if(open_.begin(), open_.end(), [&](std::uint32_t row) { return row < first_slot_; }) -
          open_.begin());
      std::size_t kept = one_way(0, older, 0);
      const std::uint32_t unsettled = open_lanes();
      const std::uint64_t n_unsettled = std::popcount(unsettled), n_closed = first_slot_ - (n_open - older);
      if (unsettled != 0 && n_unsettled * panel_ >= n_closed) {  // else they cost less on their way down
        kept -= n_unsettled;                                     // the panel's rows are the last ones kept
        both_ways(unsettled);
        for (std::size_t at = older; at < n_open; ++at) {
          if (is_open_[open_[at]] != 0) open_[kept++] = open_[at];
        }
      } else {
        kept = one_way(older, n_open, kept);
      }
      open_.resize(kept);
    }
  }

 private:
  // Rows open_[begin, end) against the panel; those still open move to open_[kept...]. Returns the new `kept`.
  std::size_t one_way(std::size_t begin, std::size_t end, std::size_t kept) {
    for (std::size_t at = begin; at < end; at += kPanelRows) {
      const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(kPanelRows, end - at));
      for (std::uint32_t r = 0; r < count; ++r) row_[r] = open_[at + r];
      meet(count);
      for (std::uint32_t r = 0; r < count; ++r) {
        if (!settle(row_[r], r)) open_[kept++] = row_[r];
      }
    }
    return kept;
  }

  // All older rows, from the newest, against the panel, of which the lanes `unsettled` look for them in turn.
  void both_ways(std::uint32_t unsettled) {
    for (std::uint32_t next = first_slot_; next > 0;) {
      std::uint32_t count = 0;
      while (next > 0 && count < kPanelRows) {
        --next;
        if (unsettled != 0 || is_open_[next] != 0) row_[count++] = next;
      }
      meet(count);
      for (std::uint32_t r = 0; r < count; ++r) {
        const std::uint32_t row = row_[r];
        // The oldest slot stands for "none" too.
        std::uint32_t alike = row == 0 ? unsettled : lanes_above(dots_[r], threshold_) & unsettled;
        unsettled &= ~alike;
        for (; alike != 0; alike &= alike - 1) {
          const auto lane = static_cast<std::uint32_t>(std::countr_zero(alike));
          close(first_slot_ + lane, row, dots_[r][lane]);
        }
        if (is_open_[row] != 0) settle(row, r);
      }
    }
  }

  void meet(std::uint32_t count) {
    const float* rows[kPanelRows];
    for (std::uint32_t r = 0; r < count; ++r) {
      rows[r] = unit_.data() + static_cast<std::size_t>(position_[row_[r]]) * panels_.head_dim();
    }
    panel_dots(rows, count, panels_.panel(panel_), panels_.head_dim(), dots_);
  }

  // Whether the row found its near-duplicate in the panel, or knows after the last panel that it has none.
  bool settle(std::uint32_t row, std::uint32_t r) {
    const std::uint32_t lanes = std::min(kPanelKeys, panels_.n_keys() - first_slot_);
    std::uint32_t alike = lanes_above(dots_[r], threshold_) & ((1U << lanes) - 1U);
    if (row - first_slot_ < lanes) alike &= ~(1U << (row - first_slot_));
    if (alike == 0 && panel_ > 0) return false;
    const auto lane = static_cast<std::uint32_t>(std::bit_width(alike | 1U) - 1);  // no near-duplicate at all: slot 0
    close(row, first_slot_ + lane, dots_[r][lane]);
    return true;
  }

  void close(std::uint32_t row, std::uint32_t slot, float cosine) {
    is_open_[row] = 0;
    if (row != slot) column_[slot] -= cosine;  // a diagonal is 0 already
    if (!retained_.empty()) retained_[row] = slot;
  }

  // Bit i: the panel's row i is open.
  std::uint32_t open_lanes() const {
    std::uint32_t lanes = 0;
    for (std::uint32_t i = 0; i < kPanelKeys && first_slot_ + i < panels_.n_keys(); ++i) {
      lanes |= is_open_[first_slot_ + i] << i;
    }
    return lanes;
  }

  std::span<const float> unit_;
  std::span<const std::uint32_t> position_;
  const KeyPanels& panels_;
  float threshold_;
  std::span<std::uint32_t> retained_;
  std::vector<double>& column_;
  std::vector<std::uint32_t>& open_;  // newest first
  std::vector<std::uint32_t>& is_open_;
  std::uint32_t panel_ = 0, first_slot_ = 0;
  std::uint32_t row_[kPanelRows] = {};
  float dots_[kPanelRows][kPanelKeys] = {};
};

}  // namespace

void rkv_redundancy(std::span<const float> unit, std::span<const std::uint32_t> position, const KeyPanels& panels,
                    float threshold, std::span<float> redundancy, std::span<std::uint32_t> retained,
                    RedundancyScratch& scratch) {
  const std::uint32_t n = panels.n_keys();
  assert(position.size() == n && redundancy.size() <= n && (retained.empty() || retained.size() == n));
  if (n == 0) return;
  scratch.column.resize(static_cast<std::size_t>(panels.n_panels()) * kPanelKeys);
  panel_column_sums(panels, scratch.key_sum, scratch.column);
  NearDuplicates(unit, position, panels, threshold, retained, scratch).exempt();
  std::vector<double>& r = scratch.column;
  double top = -1e300;
  for (std::uint32_t j = 0; j < n; ++j) {
    r[j] /= n;
    top = std::max(top, r[j]);
  }
  double sum = 0;
  for (std::uint32_t j = 0; j < n; ++j) {
    r[j] = std::exp(r[j] - top);
    sum += r[j];
  }
  for (std::size_t j = 0; j < redundancy.size(); ++j) redundancy[j] = static_cast<float>(r[j] / sum);
}

}  // namespace kvwave::kernels
