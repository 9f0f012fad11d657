#include "replay/exact_rows.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace kvwave::replay {
namespace {

constexpr double kUnit = 0x1p-24;

// Four partial sums let the compiler keep the additions in vector registers.
double dot(const float* a, const float* b, std::size_t n) {
  std::array<double, 4> partial{};
  std::size_t c = 0;
  for (; c + 4 <= n; c += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) partial[lane] += double{a[c + lane]} * double{b[c + lane]};
  }
  double sum = (partial[0] + partial[1]) + (partial[2] + partial[3]);
  for (; c < n; ++c) sum += double{a[c]} * double{b[c]};
  return sum;
}

}  // namespace

LayerKeys::LayerKeys(const traces::TraceReader& trace, std::uint32_t layer, std::uint32_t n_positions)
    : n_kv_heads_(trace.shape().n_kv_heads), head_dim_(trace.shape().head_dim) {
  key_.resize(std::size_t{n_positions} * n_kv_heads_ * head_dim_);
  trace.k(layer, 0, n_positions, key_);
  longest_.resize(std::size_t{n_positions} * n_kv_heads_);
  for (std::size_t i = 0; i < longest_.size(); ++i) {
    const float* key = key_.data() + i * head_dim_;
    const double length = std::sqrt(dot(key, key, head_dim_));
    longest_[i] = i < n_kv_heads_ ? length : std::max(length, longest_[i - n_kv_heads_]);
  }
}

double LayerKeys::row(std::span<const float> query, std::uint32_t kv_head, std::span<double> prob) const {
  const std::size_t n = prob.size(), stride = std::size_t{n_kv_heads_} * head_dim_;
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
  const float* key = key_.data() + std::size_t{kv_head} * head_dim_;
  double peak = -INFINITY;
  for (std::size_t j = 0; j < n; ++j) {
    prob[j] = dot(query.data(), key + j * stride, head_dim_) * scale;
    peak = std::max(peak, prob[j]);
  }
  double sum = 0;
  for (double& p : prob) {
    p = std::exp(p - peak);
    sum += p;
  }
  for (double& p : prob) p /= sum;

  const double query_length = std::sqrt(dot(query.data(), query.data(), head_dim_));
  const double largest = query_length * longest_[(n - 1) * n_kv_heads_ + kv_head] * scale;
  return 2 * (head_dim_ + 4) * kUnit * largest + static_cast<double>(n) * kUnit + 4e-6;
}

}  // namespace kvwave::replay
