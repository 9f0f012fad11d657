#include "capture/imported_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "capture/import_error.h"
#include "kernels/half.h"

namespace kvwave::capture {

ImportedRows::ImportedRows(const RecordingFacts& facts, const traces::TraceInfo& info, AttentionArrays* given,
                           const VectorTensors* vectors, kernels::ThreadPool& pool)
    : facts_(facts),
      shape_(info.shape),
      given_(given),
      vectors_(vectors),
      pool_(pool),
      rows_(pool.size()),
      given_row_(pool.size()),
      out_(pool.size()) {
  if (vectors_ == nullptr) return;
  const auto type = vectors_->type() == traces::FloatType::f16 ? kernels::KvType::f16 : kernels::KvType::f32;
  cache_.emplace(type, shape_.n_layers, shape_.n_kv_heads, shape_.head_dim);
  const std::size_t head = shape_.head_dim * byte_size(vectors_->type());
  q_.resize(shape_.n_q_heads * head);
  k_.resize(shape_.n_kv_heads * head);
  v_.resize(shape_.n_kv_heads * head);
}

void ImportedRows::feed(std::uint32_t first, std::uint32_t count, AttentionTap& tap) {
  tap.begin_block(first, count);
  const bool wanted = tap.wants_row(first);  // a block lies on one side of the first recorded row
  if (given_ != nullptr && wanted) given_->load(first, count);
  if (cache_) cache_->reserve(first + count);
  for (std::uint32_t layer = 0; layer < shape_.n_layers; ++layer) {
    if (vectors_ != nullptr) feed_vectors(layer, first, count, tap);
    if (wanted && vectors_ != nullptr) recompute(layer, first, count, tap);
    if (wanted && vectors_ == nullptr) pass_on(layer, first, count, tap);
  }
  tap.end_block();
}

void ImportedRows::feed_vectors(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap) {
  const std::size_t width = std::size_t{shape_.n_q_heads} * shape_.head_dim;
  queries_.resize(count * width);
  for (std::uint32_t i = 0; i < count; ++i) {
    vectors_->gather(layer, first + i, q_, k_, v_);
    cache_->store(layer, first + i, k_, v_);
    float* const query = queries_.data() + i * width;
    if (vectors_->type() == traces::FloatType::f32) {
      std::memcpy(query, q_.data(), q_.size());
    } else {
      std::vector<std::uint16_t> halves(width);
      std::memcpy(halves.data(), q_.data(), q_.size());
      kernels::f16_to_f32(halves, {query, width});
    }
    if (tap.wants_qkv()) tap.qkv(layer, first + i, q_, k_, v_);
  }
}

void ImportedRows::recompute(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap) {
  const std::uint32_t group = shape_.group();
  const std::size_t group_width = std::size_t{group} * shape_.head_dim;
  std::vector<Difference> differences(given_ != nullptr ? std::size_t{count} * shape_.n_q_heads : 0);
  pool_.parallel_for(std::size_t{count} * shape_.n_kv_heads, [&](std::size_t task, unsigned worker) {
    const auto in_block = static_cast<std::uint32_t>(task / shape_.n_kv_heads);
    const auto kv_head = static_cast<std::uint32_t>(task % shape_.n_kv_heads);
    const std::uint32_t position = first + in_block;
    const std::size_t stride = kernels::attention_row_stride(position + 1);
    std::vector<float>& rows = rows_[worker];
    rows.resize(group * stride);
    out_[worker].resize(group_width);
    const std::size_t at = (std::size_t{in_block} * shape_.n_q_heads + kv_head * group) * shape_.head_dim;
    kernels::decode_attention(*cache_, layer, kv_head, position + 1, std::span(queries_).subspan(at, group_width),
                              group, rows, out_[worker]);
    for (std::uint32_t i = 0; i < group; ++i) {
      const std::span<const float> row(rows.data() + i * stride, position + 1);
      const std::uint32_t q_head = kv_head * group + i;
      tap.attn_row(layer, q_head, position, row, worker);
      if (given_ == nullptr) continue;
      differences[std::size_t{in_block} * shape_.n_q_heads + q_head] =
          difference(layer, q_head, row, given_row_[worker]);
    }
  });
  check(layer, first, differences);
}

ImportedRows::Difference ImportedRows::difference(std::uint32_t layer, std::uint32_t q_head,
                                                  std::span<const float> recomputed,
                                                  std::vector<float>& scratch) const {
  scratch.resize(recomputed.size());
  given_->row(layer, q_head, static_cast<std::uint32_t>(recomputed.size() - 1), scratch);
  Difference worst;
  for (std::uint32_t i = 0; i < scratch.size(); ++i) {
    const double size = std::abs(double{scratch[i]} - double{recomputed[i]});
    if (size > worst.size || std::isnan(size)) worst = {size, i, scratch[i], recomputed[i]};
  }
  return worst;
}

void ImportedRows::check(std::uint32_t layer, std::uint32_t first, std::span<const Difference> differences) {
  const double bound = row_agreement_bound(facts_.type);
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const Difference& worst = differences[i];
    disagreement_ = std::max(disagreement_.value_or(0), worst.size);
    if (worst.size <= bound) continue;
    const auto row = static_cast<std::uint32_t>(first + i / shape_.n_q_heads);
    throw RowsDisagree(fmt::format(
        "{}: layer {}, q_head {}, row {}, position {}: expected softmax(q.k / sqrt(d)) = {:.6g} within {}, got {:.6g} "
        "(q and k before RoPE, another scaling, or a window?)",
        given_->place(layer, row), layer, i % shape_.n_q_heads, row, worst.at, worst.recomputed, bound, worst.given));
  }
}

void ImportedRows::pass_on(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap) {
  pool_.parallel_for(std::size_t{count} * shape_.n_q_heads, [&](std::size_t task, unsigned worker) {
    const std::uint32_t position = first + static_cast<std::uint32_t>(task / shape_.n_q_heads);
    const auto q_head = static_cast<std::uint32_t>(task % shape_.n_q_heads);
    std::vector<float>& row = rows_[worker];
    row.resize(position + 1);
    given_->row(layer, q_head, position, row);
    if (facts_.type != SourceType::f32) {
      const double sum = std::accumulate(row.begin(), row.end(), 0.0);
      for (float& value : row) value = static_cast<float>(value / sum);
    }
    tap.attn_row(layer, q_head, position, row, worker);
  });
}

}  // namespace kvwave::capture
