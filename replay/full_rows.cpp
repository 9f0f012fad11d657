#include "replay/full_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvwave::replay {

namespace {

using kernels::kPanelKeys;
using kernels::kPanelRows;

// logit[r][i] of up to kPanelRows queries over the first n keys; lines lie `stride` apart.
void logits(const float* const* query, std::uint32_t n_rows, const kernels::KeyPanels& keys, std::size_t n, float scale,
            float* const* line) {
  float dots[kPanelRows][kPanelKeys];
  for (std::size_t from = 0; from < n; from += kPanelKeys) {
    kernels::panel_dots(query, n_rows, keys.panel(static_cast<std::uint32_t>(from / kPanelKeys)), keys.head_dim(),
                        dots);
    for (std::uint32_t r = 0; r < n_rows; ++r) {
      for (std::uint32_t i = 0; i < kPanelKeys; ++i) line[r][from + i] = dots[r][i] * scale;
    }
  }
}

void exponentiate(std::span<float> row) {
  const float top = *std::max_element(row.begin(), row.end());
  for (float& value : row) value = std::exp(value - top);
}

}  // namespace

FullRows::FullRows(const LayerTensors& tensors) : tensors_(tensors), panels_(tensors.sequence().n_kv_heads) {
  const Sequence& sequence = tensors.sequence();
  std::vector<std::uint32_t> all(sequence.n_positions);
  std::iota(all.begin(), all.end(), 0U);
  for (std::uint32_t h = 0; h < panels_.size(); ++h) {
    panels_[h].gather(tensors.keys(h), sequence.head_dim, all);
  }
  stride_ = (std::size_t{sequence.n_positions} + kPanelKeys - 1) / kPanelKeys * kPanelKeys;
  weight_.resize(sequence.n_q_heads * kBlock * stride_);
}

void FullRows::compute(std::uint32_t first, std::uint32_t n_rows, kernels::ThreadPool& pool) {
  const Sequence& sequence = tensors_.sequence();
  const std::uint32_t d = sequence.head_dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  first_ = first;
  const std::uint32_t parts = (n_rows + kPanelRows - 1) / kPanelRows;
  pool.parallel_for(std::size_t{sequence.n_q_heads} * parts, [&](std::size_t task, unsigned) {
    const auto q_head = static_cast<std::uint32_t>(task / parts);
    const std::uint32_t from = static_cast<std::uint32_t>(task % parts) * kPanelRows;
    const std::uint32_t count = std::min(kPanelRows, n_rows - from);
    const float* query[kPanelRows];
    float* line[kPanelRows];
    const alloc::TensorRows queries = tensors_.query_rows(q_head, 1, first + n_rows);
    for (std::uint32_t r = 0; r < count; ++r) {
      query[r] = queries[first + from + r].data();
      line[r] = weight_.data() + (std::size_t{q_head} * kBlock + from + r) * stride_;
    }
    logits(query, count, panels_[q_head / sequence.group()], first + from + count, scale, line);
    for (std::uint32_t r = 0; r < count; ++r) exponentiate({line[r], first + from + r + 1});
  });
}

std::span<const float> FullRows::weights(std::uint32_t q_head, std::uint32_t position) const {
  return std::span(weight_).subspan((std::size_t{q_head} * kBlock + position - first_) * stride_, position + 1);
}

void restricted_row(const FullRows& rows, RowHeads heads, std::uint32_t position, std::span<const std::uint32_t> slots,
                    alloc::RowReduction reduction, std::vector<float>& row) {
  row.assign(slots.size(), 0.0F);
  for (std::uint32_t h = heads.first; h < heads.first + heads.count; ++h) {
    const std::span<const float> weight = rows.weights(h, position);
    double sum = 0;
    for (const std::uint32_t i : slots) sum += weight[i];
    if (sum == 0) continue;
    const double share = 1.0 / (reduction == alloc::RowReduction::mean ? sum * heads.count : sum);
    for (std::size_t j = 0; j < slots.size(); ++j) {
      const auto prob = static_cast<float>(weight[slots[j]] * share);
      row[j] = reduction == alloc::RowReduction::max ? std::max(row[j], prob) : row[j] + prob;
    }
  }
}

}  // namespace kvwave::replay
