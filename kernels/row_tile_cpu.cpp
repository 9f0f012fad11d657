#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/retained_mass.h"
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

void tile_powers_baseline(float* block, std::uint32_t n_positions, std::uint32_t n_lanes,
                          const std::uint32_t* n_visible, std::uint32_t first_position, float* top, float* total) {
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    float* const column = block + lane;
    const std::uint32_t beyond = n_visible == nullptr ? UINT32_MAX : n_visible[lane];
    const std::uint32_t n = beyond > first_position ? std::min(n_positions, beyond - first_position) : 0;
    float now = top[lane];
    for (std::uint32_t i = 0; i < n; ++i) now = std::max(now, column[i * std::size_t{n_lanes}]);
    double sum = total[lane] > 0 ? double{total[lane]} * std::exp2(top[lane] - now) : 0.0;
    for (std::uint32_t i = 0; i < n; ++i) {
      float& x = column[i * std::size_t{n_lanes}];
      x = std::exp2(x - now);
      sum += x;
    }
    for (std::uint32_t i = n; i < n_positions; ++i) column[i * std::size_t{n_lanes}] = 0.0F;
    top[lane] = now;
    total[lane] = static_cast<float>(sum);
  }
}

void tile_scale_baseline(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                         std::int32_t* fixed) {
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
      const std::size_t at = i * std::size_t{n_lanes} + lane;
      prob[at] *= factor[lane];
      fixed[at] = static_cast<std::int32_t>(std::lrintf(prob[at] * kFixedOne));
    }
  }
}

void tile_count_baseline(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                         std::uint32_t* count) {
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t l = 0; l < kLaneBlock; ++l) count[l] += tile[i * std::size_t{n_lanes} + l] >= threshold[l];
  }
}

namespace {

struct TilePasses {
  decltype(&tile_logits_baseline) logits;
  decltype(&tile_powers_baseline) powers;
  decltype(&tile_scale_baseline) scale;
};

TilePasses tile_passes() {
  switch (simd_path()) {
    case SimdPath::avx512:
      return {tile_logits_avx512, tile_powers_avx512, tile_scale_avx512};
    case SimdPath::avx2:
      return {tile_logits_avx2, tile_powers_avx2, tile_scale_avx2};
    case SimdPath::baseline:
      break;
  }
  return {tile_logits_baseline, tile_powers_baseline, tile_scale_baseline};
}

}  // namespace

// Logits are formed in units of log2 and turned into powers block by block, against the largest so far, while they are
// in the first cache; a second pass brings all blocks to the row's top and total.
void attention_rows(const RowTile& tile, std::span<const float> query, std::span<const float> key,
                    std::span<const std::uint32_t> n_visible, std::span<float> prob, std::span<std::int32_t> fixed) {
  const std::uint32_t n_lanes = tile.n_lanes;
  assert(n_lanes % kLaneBlock == 0 && n_visible.size() == n_lanes);
  assert(query.size() == std::size_t{tile.head_dim} * n_lanes);
  assert(key.size() >= std::size_t{tile.n_positions} * tile.head_dim);
  assert(prob.size() == std::size_t{tile.n_positions} * n_lanes && fixed.size() == prob.size());
  const TilePasses passes = tile_passes();
  const float scale = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(tile.head_dim));
  const std::uint32_t seen_by_all = *std::min_element(n_visible.begin(), n_visible.end());
  const std::uint32_t n_blocks = (tile.n_positions + kTileBlock - 1) / kTileBlock;
  std::vector<float> top(n_lanes, -std::numeric_limits<float>::infinity()), total(n_lanes, 0.0F);
  std::vector<float> factor(std::size_t{n_blocks} * n_lanes);  // first the top when the block was taken
  for (std::uint32_t b = 0; b < n_blocks; ++b) {
    const std::uint32_t begin = b * kTileBlock, n = std::min(kTileBlock, tile.n_positions - begin);
    float* const block = prob.data() + std::size_t{begin} * n_lanes;
    passes.logits(query.data(), key.data() + std::size_t{begin} * tile.head_dim, n, n_lanes, tile.head_dim, scale,
                  block);
    passes.powers(block, n, n_lanes, begin + n <= seen_by_all ? nullptr : n_visible.data(), begin, top.data(),
                  total.data());
    std::copy(top.begin(), top.end(), factor.begin() + static_cast<std::ptrdiff_t>(std::size_t{b} * n_lanes));
  }
  std::vector<float> unused(n_lanes, 0.0F);
  passes.powers(factor.data(), n_blocks, n_lanes, nullptr, 0, top.data(), unused.data());
  for (float& sum : total) sum = 1.0F / sum;
  for (std::uint32_t b = 0; b < n_blocks; ++b) {
    const std::uint32_t begin = b * kTileBlock, n = std::min(kTileBlock, tile.n_positions - begin);
    float* const of_block = factor.data() + std::size_t{b} * n_lanes;
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) of_block[lane] *= total[lane];
    const std::size_t at = std::size_t{begin} * n_lanes;
    passes.scale(prob.data() + at, n, n_lanes, of_block, fixed.data() + at);
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
