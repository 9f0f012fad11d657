#include "replay/window_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvwave::replay {

namespace {

using kernels::kPanelKeys;
using kernels::kPanelRows;

void softmax_up_to(std::uint32_t position, std::span<const std::uint32_t> slots, std::span<float> row) {
  float top = -std::numeric_limits<float>::infinity();
  for (std::size_t j = 0; j < row.size(); ++j) {
    if (slots[j] <= position) top = std::max(top, row[j]);
  }
  double sum = 0;
  for (std::size_t j = 0; j < row.size(); ++j) {
    row[j] = slots[j] <= position ? std::exp(row[j] - top) : 0.0F;
    sum += row[j];
  }
  if (sum == 0) return;
  const double scale = 1.0 / sum;
  for (float& value : row) value = static_cast<float>(value * scale);
}

}  // namespace

void window_rows(const WindowShape& shape, std::span<const float> query, const kernels::KeyPanels& keys,
                 std::span<const std::uint32_t> slots, std::vector<float>& prob) {
  const std::size_t n = slots.size(), d = keys.head_dim();
  const std::uint32_t n_rows = shape.n_queries * shape.n_heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  prob.resize(n * n_rows);
  float dots[kPanelRows][kPanelKeys];
  const float* rows[kPanelRows];
  for (std::uint32_t first = 0; first < n_rows; first += kPanelRows) {
    const std::uint32_t count = std::min(kPanelRows, n_rows - first);
    for (std::uint32_t r = 0; r < count; ++r) rows[r] = query.data() + (first + r) * d;
    for (std::uint32_t p = 0; p < keys.n_panels(); ++p) {
      kernels::panel_dots(rows, count, keys.panel(p), keys.head_dim(), dots);
      const std::size_t from = std::size_t{p} * kPanelKeys;
      const std::size_t n_keys = std::min<std::size_t>(kPanelKeys, n - from);
      for (std::uint32_t r = 0; r < count; ++r) {
        for (std::size_t i = 0; i < n_keys; ++i) prob[(first + r) * n + from + i] = dots[r][i] * scale;
      }
    }
  }
  for (std::uint32_t r = 0; r < n_rows; ++r) {
    softmax_up_to(shape.first_position + r / shape.n_heads, slots, std::span(prob).subspan(r * n, n));
  }
}

}  // namespace kvwave::replay
