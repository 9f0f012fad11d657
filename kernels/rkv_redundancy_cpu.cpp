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

// column[j] = unit[j] . (sum of all unit keys) - |unit[j]|^2: the column sums of C before any exemption.
void column_sums(const KeyPanels& panels, RedundancyScratch& scratch) {
  const std::uint32_t d = panels.head_dim();
  const std::size_t size = std::size_t{d} * kPanelKeys;
  scratch.lane_sum.assign(size, 0.0);
  for (std::uint32_t p = 0; p < panels.n_panels(); ++p) {
    const float* const panel = panels.panel(p);
    for (std::size_t i = 0; i < size; ++i) scratch.lane_sum[i] += panel[i];
  }
  std::vector<double>& sum = scratch.key_sum;
  sum.assign(d, 0.0);
  for (std::size_t i = 0; i < size; ++i) sum[i / kPanelKeys] += scratch.lane_sum[i];
  scratch.column.resize(static_cast<std::size_t>(panels.n_panels()) * kPanelKeys);
  for (std::uint32_t p = 0; p < panels.n_panels(); ++p) {
    double total[kPanelKeys] = {};
    for (std::uint32_t c = 0; c < d; ++c) {
      for (std::uint32_t i = 0; i < kPanelKeys; ++i) {
        const double u = panels.panel(p)[c * kPanelKeys + i];
        total[i] += u * (sum[c] - u);
      }
    }
    std::copy(total, total + kPanelKeys, scratch.column.begin() + p * kPanelKeys);
  }
}

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
// panel by panel from the newest slot; a row leaves the list when its near-duplicate is found.
void exempt_retained(std::span<const float> unit, std::span<const std::uint32_t> position, const KeyPanels& panels,
                     float threshold, std::span<std::uint32_t> retained, RedundancyScratch& scratch) {
  const std::uint32_t d = panels.head_dim();
  const std::uint32_t n = panels.n_keys();
  std::vector<std::uint32_t>& open = scratch.open_row;
  open.resize(n);
  for (std::uint32_t i = 0; i < n; ++i) open[i] = i;
  float dots[kPanelRows][kPanelKeys];
  const float* rows[kPanelRows];
  std::size_t n_open = n;
  for (std::uint32_t p = panels.n_panels(); p-- > 0 && n_open > 0;) {
    const std::uint32_t first_slot = p * kPanelKeys;
    const std::uint32_t lanes = std::min(kPanelKeys, n - first_slot);
    std::size_t still_open = 0;
    for (std::size_t at = 0; at < n_open; at += kPanelRows) {
      const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(kPanelRows, n_open - at));
      for (std::uint32_t r = 0; r < count; ++r) {
        rows[r] = unit.data() + static_cast<std::size_t>(position[open[at + r]]) * d;
      }
      panel_dots(rows, count, panels.panel(p), d, dots);
      for (std::uint32_t r = 0; r < count; ++r) {
        const std::uint32_t row = open[at + r];
        std::uint32_t alike = lanes_above(dots[r], threshold) & ((1U << lanes) - 1U);
        if (row - first_slot < lanes) alike &= ~(1U << (row - first_slot));
        const auto lane = static_cast<std::uint32_t>(std::bit_width(alike));  // behind the newest; 0 = none
        if (lane > 0) {
          const std::uint32_t slot = first_slot + lane - 1;
          scratch.column[slot] -= dots[r][lane - 1];
          if (!retained.empty()) retained[row] = slot;
        } else if (p > 0) {
          open[still_open++] = row;
        } else {  // no near-duplicate at all: column 0 loses this row's cosine
          if (row != 0) scratch.column[0] -= dots[r][0];
          if (!retained.empty()) retained[row] = 0;
        }
      }
    }
    n_open = still_open;
  }
}

}  // namespace

void rkv_redundancy(std::span<const float> unit, std::span<const std::uint32_t> position, const KeyPanels& panels,
                    float threshold, std::span<float> redundancy, std::span<std::uint32_t> retained,
                    RedundancyScratch& scratch) {
  const std::uint32_t n = panels.n_keys();
  assert(position.size() == n && redundancy.size() <= n && (retained.empty() || retained.size() == n));
  if (n == 0) return;
  column_sums(panels, scratch);
  exempt_retained(unit, position, panels, threshold, retained, scratch);
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
