#include "replay/layer_tensors.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kernels/rkv_redundancy.h"
#include "kernels/weighted_values.h"
#include "traces/error.h"
#include "traces/reader.h"

namespace kvwave::replay {

LayerTensors::LayerTensors(const Sequence& sequence, std::uint32_t layer, std::vector<float> q,
                           std::span<const float> k, std::span<const float> v)
    : sequence_(sequence),
      layer_(layer),
      value_width_((sequence.head_dim + kernels::kValuePad - 1) / kernels::kValuePad * kernels::kValuePad),
      q_(std::move(q)) {
  const std::size_t n = sequence.n_positions, d = sequence.head_dim, heads = sequence.n_kv_heads;
  k_.resize(heads * n * d);
  v_.assign(heads * n * value_width_, 0.0F);
  max_value_norm_.resize(heads * n);
  for (std::size_t h = 0; h < heads; ++h) {
    double largest = 0;
    for (std::size_t p = 0; p < n; ++p) {
      const std::size_t from = (p * heads + h) * d;
      std::copy_n(k.begin() + static_cast<std::ptrdiff_t>(from), d,
                  k_.begin() + static_cast<std::ptrdiff_t>((h * n + p) * d));
      std::copy_n(v.begin() + static_cast<std::ptrdiff_t>(from), d,
                  v_.begin() + static_cast<std::ptrdiff_t>((h * n + p) * value_width_));
      double square = 0;
      for (std::size_t c = 0; c < d; ++c) square += double{v[from + c]} * v[from + c];
      largest = std::max(largest, std::sqrt(square));
      max_value_norm_[h * n + p] = static_cast<float>(largest);
    }
  }
  unit_k_.resize(k_.size());
  kernels::unit_keys(k_, sequence.head_dim, unit_k_);
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

LayerTensors load_layer(const traces::TraceReader& trace, const Sequence& sequence, std::uint32_t layer) {
  const std::size_t d = sequence.head_dim, n = sequence.n_positions;
  std::vector<float> q(n * sequence.n_q_heads * d), k(n * sequence.n_kv_heads * d), v(k.size());
  trace.q(layer, 0, sequence.n_positions, q);
  trace.k(layer, 0, sequence.n_positions, k);
  trace.v(layer, 0, sequence.n_positions, v);
  const auto check = [&](std::string_view name, const std::vector<float>& values) {
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      throw traces::CorruptTrace(fmt::format("{}: /qkv/{} of layer {} holds values that are not finite numbers",
                                             trace.path().string(), name, layer));
    }
  };
  check("q", q);
  check("k", k);
  check("v", v);
  return LayerTensors(sequence, layer, std::move(q), k, v);
}

}  // namespace kvwave::replay
