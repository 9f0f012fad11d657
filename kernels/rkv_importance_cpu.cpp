#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/rkv_importance.h"
#include "kernels/round_bf16.h"

namespace kvwave::kernels {

namespace {

// logit[i][j] of LOGIT-MAX: rows are taken eight at a time whatever the group, maxima are merged as they come.
void group_max_logits(std::span<const float> query, const KeyPanels& keys, const ImportanceShape& shape,
                      std::size_t stride, std::span<float> logit) {
  const std::uint32_t d = keys.head_dim();
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  const std::uint32_t n_rows = shape.n_queries * shape.group;
  const std::uint32_t n_panels = (shape.n_candidates + kPanelKeys - 1) / kPanelKeys;
  std::fill(logit.begin(), logit.end(), -std::numeric_limits<float>::infinity());
  float dots[kPanelRows][kPanelKeys];
  const float* rows[kPanelRows];
  for (std::uint32_t first = 0; first < n_rows; first += kPanelRows) {
    const std::uint32_t count = std::min(kPanelRows, n_rows - first);
    for (std::uint32_t r = 0; r < count; ++r) rows[r] = query.data() + static_cast<std::size_t>(first + r) * d;
    for (std::uint32_t p = 0; p < n_panels; ++p) {
      panel_dots(rows, count, keys.panel(p), d, dots);
      for (std::uint32_t r = 0; r < count; ++r) {
        float* const out = logit.data() + (first + r) / shape.group * stride + p * kPanelKeys;
        for (std::uint32_t i = 0; i < kPanelKeys; ++i) out[i] = std::max(out[i], dots[r][i] * scale);
      }
    }
  }
}

}  // namespace

void rkv_importance(std::span<const float> query, const KeyPanels& keys, const ImportanceShape& shape,
                    std::span<float> importance, ImportanceScratch& scratch) {
  const std::uint32_t m = shape.n_candidates;
  assert(shape.n_queries > 0 && shape.pool_kernel % 2 == 1 && importance.size() == m && m <= keys.n_keys());
  assert(query.size() == static_cast<std::size_t>(shape.n_queries) * shape.group * keys.head_dim());
  if (m == 0) return;
  const std::size_t stride = (static_cast<std::size_t>(m) + kPanelKeys - 1) / kPanelKeys * kPanelKeys;
  scratch.logit.resize(stride * shape.n_queries);
  group_max_logits(query, keys, shape, stride, scratch.logit);

  std::vector<double>& mean = scratch.mean;
  mean.assign(m, 0.0);
  for (std::uint32_t i = 0; i < shape.n_queries; ++i) {
    float* const row = scratch.logit.data() + i * stride;
    const float top = *std::max_element(row, row + m);
    double sum = 0;
    for (std::uint32_t j = 0; j < m; ++j) {
      row[j] = std::exp(row[j] - top);
      sum += row[j];
    }
    const double share = 1.0 / (sum * shape.n_queries);
    for (std::uint32_t j = 0; j < m; ++j) mean[j] += row[j] * share;
  }

  std::vector<float>& pooled_from = scratch.logit;  // its rows are used up
  for (std::uint32_t j = 0; j < m; ++j) {
    const float a = static_cast<float>(mean[j]);
    pooled_from[j] = shape.round_bf16 ? round_to_bf16(a) : a;
  }
  const std::uint32_t reach = shape.pool_kernel / 2;
  for (std::uint32_t j = 0; j < m; ++j) {
    const std::uint32_t begin = j - std::min(j, reach);
    const std::uint32_t end = std::min(m - 1, reach >= m - 1 - j ? m - 1 : j + reach) + 1;
    importance[j] = *std::max_element(pooled_from.begin() + begin, pooled_from.begin() + end);
  }
}

}  // namespace kvwave::kernels
