#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/cpu_features.h"
#include "kernels/row_tile.h"
#include "kernels/row_tile_paths.h"

namespace kvwave::kernels {

void tile_logits_baseline(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                          std::uint32_t head_dim, float scale, float* out) {
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t lane = 0; lane < n_lanes; lane += kLaneBlock) {
      float sum[kLaneBlock] = {};
      for (std::uint32_t c = 0; c < head_dim; ++c) {
        const float x = key[i * std::size_t{head_dim} + c];
        const float* const q = query + c * std::size_t{n_lanes} + lane;
        for (std::uint32_t l = 0; l < kLaneBlock; ++l) sum[l] += x * q[l];
      }
      for (std::uint32_t l = 0; l < kLaneBlock; ++l) out[i * std::size_t{n_lanes} + lane + l] = sum[l] * scale;
    }
  }
}

void tile_softmax_baseline(float* tile, std::uint32_t n_positions, std::uint32_t n_lanes,
                           const std::uint32_t* n_visible) {
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    float* const column = tile + lane;
    const std::uint32_t n = n_visible[lane];
    float top = -std::numeric_limits<float>::infinity();
    for (std::uint32_t i = 0; i < n; ++i) top = std::max(top, column[i * std::size_t{n_lanes}]);
    double total = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      float& x = column[i * std::size_t{n_lanes}];
      x = std::exp(x - top);
      total += x;
    }
    const auto share = static_cast<float>(1.0 / total);
    for (std::uint32_t i = 0; i < n; ++i) column[i * std::size_t{n_lanes}] *= share;
    for (std::uint32_t i = n; i < n_positions; ++i) column[i * std::size_t{n_lanes}] = 0.0F;
  }
}

void tile_count_baseline(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                         std::uint32_t* count) {
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t l = 0; l < kLaneBlock; ++l) count[l] += tile[i * std::size_t{n_lanes} + l] >= threshold[l];
  }
}

void attention_rows(const RowTile& tile, std::span<const float> query, std::span<const float> key,
                    std::span<const std::uint32_t> n_visible, std::span<float> prob) {
  assert(tile.n_lanes % kLaneBlock == 0 && n_visible.size() == tile.n_lanes);
  assert(query.size() == std::size_t{tile.head_dim} * tile.n_lanes);
  assert(key.size() >= std::size_t{tile.n_positions} * tile.head_dim);
  assert(prob.size() == std::size_t{tile.n_positions} * tile.n_lanes);
  const float scale = 1.0F / std::sqrt(static_cast<float>(tile.head_dim));
  switch (simd_path()) {
    case SimdPath::avx512:
      tile_logits_avx512(query.data(), key.data(), tile.n_positions, tile.n_lanes, tile.head_dim, scale, prob.data());
      tile_softmax_avx512(prob.data(), tile.n_positions, tile.n_lanes, n_visible.data());
      break;
    case SimdPath::avx2:
      tile_logits_avx2(query.data(), key.data(), tile.n_positions, tile.n_lanes, tile.head_dim, scale, prob.data());
      tile_softmax_avx2(prob.data(), tile.n_positions, tile.n_lanes, n_visible.data());
      break;
    case SimdPath::baseline:
      tile_logits_baseline(query.data(), key.data(), tile.n_positions, tile.n_lanes, tile.head_dim, scale, prob.data());
      tile_softmax_baseline(prob.data(), tile.n_positions, tile.n_lanes, n_visible.data());
      break;
  }
}

namespace {

void count_at_least(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                    std::uint32_t* count) {
  switch (simd_path()) {
    case SimdPath::avx512:
      return tile_count_avx512(tile, n_positions, n_lanes, threshold, count);
    case SimdPath::avx2:
      return tile_count_avx2(tile, n_positions, n_lanes, threshold, count);
    case SimdPath::baseline:
      return tile_count_baseline(tile, n_positions, n_lanes, threshold, count);
  }
}

}  // namespace

// Bisection over the bits of the threshold: non-negative floats order as their bit patterns do.
void kth_largest(const RowTile& tile, std::span<const float> prob, std::span<const std::uint32_t> k,
                 std::span<float> value, std::span<std::uint32_t> n_greater) {
  assert(k.size() == tile.n_lanes && value.size() == tile.n_lanes && n_greater.size() == tile.n_lanes);
  for (std::uint32_t lane = 0; lane < tile.n_lanes; lane += kLaneBlock) {
    std::uint32_t bits[kLaneBlock] = {};
    float threshold[kLaneBlock];
    for (std::uint32_t bit = 1U << 29; bit != 0; bit >>= 1) {  // values below 2 have bit 30 clear
      std::uint32_t count[kLaneBlock] = {};
      for (std::uint32_t l = 0; l < kLaneBlock; ++l) threshold[l] = std::bit_cast<float>(bits[l] | bit);
      count_at_least(prob.data() + lane, tile.n_positions, tile.n_lanes, threshold, count);
      for (std::uint32_t l = 0; l < kLaneBlock; ++l) {
        if (count[l] >= k[lane + l]) bits[l] |= bit;
      }
    }
    std::uint32_t above[kLaneBlock] = {};
    for (std::uint32_t l = 0; l < kLaneBlock; ++l) {
      value[lane + l] = std::bit_cast<float>(bits[l]);
      threshold[l] = std::bit_cast<float>(bits[l] + 1);
    }
    count_at_least(prob.data() + lane, tile.n_positions, tile.n_lanes, threshold, above);
    std::copy(above, above + kLaneBlock, n_greater.begin() + lane);
  }
}

void mark_largest(const RowTile& tile, std::span<const float> prob, std::span<const std::uint32_t> k,
                  std::span<const float> value, std::span<const std::uint32_t> n_greater, std::span<float> marked) {
  assert(prob.size() == marked.size() && k.size() == tile.n_lanes);
  for (std::uint32_t lane = 0; lane < tile.n_lanes; lane += kLaneBlock) {
    std::int32_t ties[kLaneBlock];  // equal values that still fit
    for (std::uint32_t l = 0; l < kLaneBlock; ++l) {
      ties[l] = static_cast<std::int32_t>(k[lane + l] - n_greater[lane + l]);
    }
    const float* const least = value.data() + lane;
    for (std::uint32_t i = 0; i < tile.n_positions; ++i) {
      const float* const line = prob.data() + i * std::size_t{tile.n_lanes} + lane;
      float* const out = marked.data() + i * std::size_t{tile.n_lanes} + lane;
      for (std::uint32_t l = 0; l < kLaneBlock; ++l) {
        const std::int32_t tie = line[l] == least[l] && ties[l] > 0 ? 1 : 0;
        ties[l] -= tie;
        out[l] = line[l] > least[l] || tie != 0 ? 1.0F : 0.0F;
      }
    }
  }
}

}  // namespace kvwave::kernels
