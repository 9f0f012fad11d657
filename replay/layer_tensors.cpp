#include "replay/layer_tensors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/rkv_redundancy.h"
#include "kernels/weighted_values.h"
#include "traces/reader.h"

namespace kvwave::replay {

LayerTensors::LayerTensors(const Sequence& sequence, std::uint32_t layer)
    : sequence_(sequence),
      layer_(layer),
      value_width_((sequence.head_dim + kernels::kValuePad - 1) / kernels::kValuePad * kernels::kValuePad) {
  const std::size_t rows = std::size_t{sequence.n_kv_heads} * sequence.n_positions;
  k_.resize(rows * sequence.head_dim);
  v_.assign(rows * value_width_, 0.0F);
  max_value_norm_.resize(rows);
}

LayerTensors::LayerTensors(const Sequence& sequence, std::uint32_t layer, std::vector<float> q,
                           std::span<const float> k, std::span<const float> v)
    : LayerTensors(sequence, layer) {
  q_ = std::move(q);
  put(0, k, v);
  finish();
}

LayerTensors::LayerTensors(const traces::TraceReader& trace, const Sequence& sequence, std::uint32_t layer)
    : LayerTensors(sequence, layer) {
  const std::size_t q_row = std::size_t{sequence.n_q_heads} * sequence.head_dim;
  const std::size_t row = std::size_t{sequence.n_kv_heads} * sequence.head_dim;
  q_.resize(sequence.n_positions * q_row);
  std::vector<float> k, v;
  for (std::uint32_t first = 0; first < sequence.n_positions; first += kReadPositions) {
    const std::uint32_t end = std::min(first + kReadPositions, sequence.n_positions);
    trace.q(layer, first, end, std::span(q_).subspan(first * q_row, (end - first) * q_row));
    k.resize((end - first) * row);
    v.resize(k.size());
    trace.k(layer, first, end, k);
    trace.v(layer, first, end, v);
    put(first, k, v);
  }
  finish();
}

void LayerTensors::put(std::uint32_t first_position, std::span<const float> k, std::span<const float> v) {
  const std::size_t d = sequence_.head_dim, heads = sequence_.n_kv_heads, n = k.size() / (heads * d);
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t first = h * sequence_.n_positions + first_position;
    float largest = first_position > 0 ? max_value_norm_[first - 1] : 0.0F;
    for (std::size_t p = 0; p < n; ++p) {
      const std::span<const float> key = k.subspan((p * heads + h) * d, d), value = v.subspan((p * heads + h) * d, d);
      std::copy(key.begin(), key.end(), k_.begin() + static_cast<std::ptrdiff_t>((first + p) * d));
      std::copy(value.begin(), value.end(), v_.begin() + static_cast<std::ptrdiff_t>((first + p) * value_width_));
      double square = 0;
      for (const float x : value) square += double{x} * x;
      largest = std::max(largest, static_cast<float>(std::sqrt(square)));
      max_value_norm_[first + p] = largest;
    }
  }
}

void LayerTensors::finish() {
  unit_k_.resize(k_.size());
  kernels::unit_keys(k_, sequence_.head_dim, unit_k_);
}

std::span<const float> LayerTensors::queries(std::uint32_t kv_head, std::uint32_t position) const {
  const std::size_t size = std::size_t{sequence_.group()} * sequence_.head_dim;
  return std::span(q_).subspan((std::size_t{position} * sequence_.n_kv_heads + kv_head) * size, size);
}

std::span<const float> LayerTensors::keys(std::uint32_t kv_head) const {
  const std::size_t size = std::size_t{sequence_.n_positions} * sequence_.head_dim;
  return std::span(k_).subspan(kv_head * size, size);
}

std::span<const float> LayerTensors::unit_keys(std::uint32_t kv_head) const {
  const std::size_t size = std::size_t{sequence_.n_positions} * sequence_.head_dim;
  return std::span(unit_k_).subspan(kv_head * size, size);
}

std::span<const float> LayerTensors::values(std::uint32_t kv_head) const {
  const std::size_t size = std::size_t{sequence_.n_positions} * value_width_;
  return std::span(v_).subspan(kv_head * size, size);
}

alloc::TensorRows LayerTensors::key_rows(std::uint32_t kv_head, std::uint32_t n_seen) const {
  return {keys(kv_head).data(), sequence_.head_dim, sequence_.head_dim, n_seen};
}

alloc::TensorRows LayerTensors::value_rows(std::uint32_t kv_head, std::uint32_t n_seen) const {
  return {values(kv_head).data(), value_width_, sequence_.head_dim, n_seen};
}

alloc::TensorRows LayerTensors::query_rows(std::uint32_t q_head, std::uint32_t n_q_heads, std::uint32_t n_seen) const {
  const std::size_t d = sequence_.head_dim;
  return {q_.data() + q_head * d, sequence_.n_q_heads * d, n_q_heads * d, n_seen};
}

float LayerTensors::max_value_norm(std::uint32_t kv_head, std::uint32_t position) const {
  return max_value_norm_[std::size_t{kv_head} * sequence_.n_positions + position];
}

}  // namespace kvwave::replay
