#include <immintrin.h>

#include "kernels/row_tile_paths.h"

namespace kvwave::kernels {

namespace {

using Size = unsigned long;

// 16 lanes by kKeys positions in registers. Loops are unrolled by request, before GCC 12 looks for loops that only
// clear memory: else it keeps the sums on the stack and stores them in every step.
template <int kKeys>
void logits_keys(const float* query, const float* key, std::uint32_t n_lanes, std::uint32_t head_dim, __m256 scale,
                 float* out) {
  __m256 low[kKeys], high[kKeys];
#pragma GCC unroll 8
  for (int i = 0; i < kKeys; ++i) low[i] = high[i] = _mm256_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const __m256 q_low = _mm256_loadu_ps(query + c * Size{n_lanes});
    const __m256 q_high = _mm256_loadu_ps(query + c * Size{n_lanes} + 8);
#pragma GCC unroll 8
    for (int i = 0; i < kKeys; ++i) {
      const __m256 x = _mm256_broadcast_ss(key + i * Size{head_dim} + c);
      low[i] = _mm256_fmadd_ps(x, q_low, low[i]);
      high[i] = _mm256_fmadd_ps(x, q_high, high[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kKeys; ++i) {
    _mm256_storeu_ps(out + i * Size{n_lanes}, _mm256_mul_ps(low[i], scale));
    _mm256_storeu_ps(out + i * Size{n_lanes} + 8, _mm256_mul_ps(high[i], scale));
  }
}

// 2^x for x <= 0, relative error below 2e-7 down to -126; below 2^-126 beyond, and exactly 0 from -127 on. Adding 1.5 *
// 2^23 rounds to the nearest whole number and leaves it in the low bits, from where it goes into the exponent.
inline __m256 power_of_2(__m256 x) {
  const __m256 round = _mm256_set1_ps(0x1.8p23F);
  const __m256 t = _mm256_max_ps(x, _mm256_set1_ps(-127.0F));
  const __m256 shifted = _mm256_add_ps(t, round);
  const __m256 r = _mm256_sub_ps(t, _mm256_sub_ps(shifted, round));
  __m256 p = _mm256_set1_ps(1.535336188319500e-4F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.339887440266574e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(9.618437357674640e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.550332471162809e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(2.402264791363012e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(6.931472028550421e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

// Lanes for which position i is visible; counts stay below 2^31, so the signed comparison is right.
inline __m256 visible_mask(__m256i n_visible, std::uint32_t i) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(n_visible, _mm256_set1_epi32(static_cast<int>(i))));
}

}  // namespace

void tile_logits_avx2(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                      std::uint32_t head_dim, float scale, float* out) {
  const __m256 factor = _mm256_set1_ps(scale);
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 16) {
    std::uint32_t i = 0;
    for (; i + 6 <= n_positions; i += 6) {
      logits_keys<6>(query + lane, key + i * Size{head_dim}, n_lanes, head_dim, factor, out + i * Size{n_lanes} + lane);
    }
    const float* const rest = key + i * Size{head_dim};
    float* const to = out + i * Size{n_lanes} + lane;
    switch (n_positions - i) {
      case 1:
        logits_keys<1>(query + lane, rest, n_lanes, head_dim, factor, to);
        break;
      case 2:
        logits_keys<2>(query + lane, rest, n_lanes, head_dim, factor, to);
        break;
      case 3:
        logits_keys<3>(query + lane, rest, n_lanes, head_dim, factor, to);
        break;
      case 4:
        logits_keys<4>(query + lane, rest, n_lanes, head_dim, factor, to);
        break;
      case 5:
        logits_keys<5>(query + lane, rest, n_lanes, head_dim, factor, to);
        break;
      default:
        break;
    }
  }
}

void tile_powers_avx2(float* block, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible,
                      std::uint32_t first_position, float* top, float* total) {
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 8) {
    float* const lines = block + lane;
    const __m256 before = _mm256_loadu_ps(top + lane);
    if (n_visible != nullptr) {  // what a lane does not see is put out of the way
      const __m256i visible = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(n_visible + lane));
      const __m256 nothing = _mm256_set1_ps(-__builtin_inff());
      for (std::uint32_t i = 0; i < n_positions; ++i) {
        const __m256 x = _mm256_loadu_ps(lines + i * Size{n_lanes});
        _mm256_storeu_ps(lines + i * Size{n_lanes},
                         _mm256_blendv_ps(nothing, x, visible_mask(visible, first_position + i)));
      }
    }
    __m256 most[4] = {before, before, before, before};
    std::uint32_t i = 0;
    for (; i + 4 <= n_positions; i += 4) {
      for (int j = 0; j < 4; ++j) most[j] = _mm256_max_ps(most[j], _mm256_loadu_ps(lines + (i + j) * Size{n_lanes}));
    }
    for (; i < n_positions; ++i) most[0] = _mm256_max_ps(most[0], _mm256_loadu_ps(lines + i * Size{n_lanes}));
    const __m256 now = _mm256_max_ps(_mm256_max_ps(most[0], most[1]), _mm256_max_ps(most[2], most[3]));
    __m256 sum = _mm256_setzero_ps();
    for (i = 0; i < n_positions; ++i) {
      float* const line = lines + i * Size{n_lanes};
      const __m256 power = power_of_2(_mm256_sub_ps(_mm256_loadu_ps(line), now));
      _mm256_storeu_ps(line, power);
      sum = _mm256_add_ps(sum, power);
    }
    const __m256 so_far = _mm256_mul_ps(_mm256_loadu_ps(total + lane), power_of_2(_mm256_sub_ps(before, now)));
    _mm256_storeu_ps(total + lane, _mm256_add_ps(so_far, sum));
    _mm256_storeu_ps(top + lane, now);
  }
}

void tile_scale_avx2(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                     std::int32_t* fixed) {
  const __m256 one = _mm256_set1_ps(0x1p30F);
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t lane = 0; lane < n_lanes; lane += 8) {
      const Size at = i * Size{n_lanes} + lane;
      const __m256 p = _mm256_mul_ps(_mm256_loadu_ps(prob + at), _mm256_loadu_ps(factor + lane));
      _mm256_storeu_ps(prob + at, p);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(fixed + at), _mm256_cvtps_epi32(_mm256_mul_ps(p, one)));
    }
  }
}

void tile_count_avx2(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                     std::uint32_t* count) {
  for (std::uint32_t half = 0; half < 16; half += 8) {
    const __m256 least = _mm256_loadu_ps(threshold + half);
    __m256i n = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(count + half));
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      const __m256 x = _mm256_loadu_ps(tile + i * static_cast<unsigned long>(n_lanes) + half);
      n = _mm256_sub_epi32(n, _mm256_castps_si256(_mm256_cmp_ps(x, least, _CMP_GE_OQ)));  // true is -1
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(count + half), n);
  }
}

}  // namespace kvwave::kernels
