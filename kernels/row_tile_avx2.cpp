#include <immintrin.h>

#include "kernels/row_tile_paths.h"

namespace kvwave::kernels {

namespace {

// 16 lanes by 4 positions in registers.
void logits_4_keys(const float* query, const float* key, std::uint32_t n_lanes, std::uint32_t head_dim, __m256 scale,
                   float* out) {
  __m256 low[4], high[4];
  for (int i = 0; i < 4; ++i) low[i] = high[i] = _mm256_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const __m256 q_low = _mm256_loadu_ps(query + c * static_cast<unsigned long>(n_lanes));
    const __m256 q_high = _mm256_loadu_ps(query + c * static_cast<unsigned long>(n_lanes) + 8);
    for (int i = 0; i < 4; ++i) {
      const __m256 x = _mm256_broadcast_ss(key + i * static_cast<unsigned long>(head_dim) + c);
      low[i] = _mm256_fmadd_ps(x, q_low, low[i]);
      high[i] = _mm256_fmadd_ps(x, q_high, high[i]);
    }
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * static_cast<unsigned long>(n_lanes), _mm256_mul_ps(low[i], scale));
    _mm256_storeu_ps(out + i * static_cast<unsigned long>(n_lanes) + 8, _mm256_mul_ps(high[i], scale));
  }
}

void logits_1_key(const float* query, const float* key, std::uint32_t n_lanes, std::uint32_t head_dim, __m256 scale,
                  float* out) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const __m256 x = _mm256_broadcast_ss(key + c);
    low = _mm256_fmadd_ps(x, _mm256_loadu_ps(query + c * static_cast<unsigned long>(n_lanes)), low);
    high = _mm256_fmadd_ps(x, _mm256_loadu_ps(query + c * static_cast<unsigned long>(n_lanes) + 8), high);
  }
  _mm256_storeu_ps(out, _mm256_mul_ps(low, scale));
  _mm256_storeu_ps(out + 8, _mm256_mul_ps(high, scale));
}

// exp(x) for x <= 0, relative error below 2e-7; exactly 0 below -87.
__m256 exp_negative(__m256 x) {
  const __m256 keep = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0F), _CMP_GE_OQ);
  const __m256 t = _mm256_and_ps(keep, x);
  const __m256 k = _mm256_round_ps(_mm256_mul_ps(t, _mm256_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT | 8);
  __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693359375F), t);
  r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4F), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4F);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1F));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1F));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0F)));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23);
  p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  return _mm256_and_ps(keep, p);
}

// Lanes for which position i is visible; counts stay below 2^31, so the signed comparison is right.
__m256 visible_mask(__m256i n_visible, std::uint32_t i) {
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(n_visible, _mm256_set1_epi32(static_cast<int>(i))));
}

}  // namespace

void tile_logits_avx2(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                      std::uint32_t head_dim, float scale, float* out) {
  const __m256 factor = _mm256_set1_ps(scale);
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 16) {
    std::uint32_t i = 0;
    for (; i + 4 <= n_positions; i += 4) {
      logits_4_keys(query + lane, key + i * static_cast<unsigned long>(head_dim), n_lanes, head_dim, factor,
                    out + i * static_cast<unsigned long>(n_lanes) + lane);
    }
    for (; i < n_positions; ++i) {
      logits_1_key(query + lane, key + i * static_cast<unsigned long>(head_dim), n_lanes, head_dim, factor,
                   out + i * static_cast<unsigned long>(n_lanes) + lane);
    }
  }
}

void tile_softmax_avx2(float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible) {
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 8) {
    const __m256i visible = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(n_visible + lane));
    const __m256 nothing = _mm256_set1_ps(-__builtin_inff());
    __m256 top = nothing;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      const __m256 x = _mm256_loadu_ps(tile + i * static_cast<unsigned long>(n_lanes) + lane);
      top = _mm256_max_ps(top, _mm256_blendv_ps(nothing, x, visible_mask(visible, i)));
    }
    __m256 total = _mm256_setzero_ps();
    for (std::uint32_t begin = 0; begin < n_positions; begin += 128) {
      const std::uint32_t end = n_positions - begin > 128 ? begin + 128 : n_positions;
      __m256 part = _mm256_setzero_ps();
      for (std::uint32_t i = begin; i < end; ++i) {
        float* const line = tile + i * static_cast<unsigned long>(n_lanes) + lane;
        const __m256 x = _mm256_sub_ps(_mm256_loadu_ps(line), top);
        const __m256 e = exp_negative(_mm256_blendv_ps(nothing, x, visible_mask(visible, i)));
        _mm256_storeu_ps(line, e);
        part = _mm256_add_ps(part, e);
      }
      total = _mm256_add_ps(total, part);
    }
    const __m256 share = _mm256_div_ps(_mm256_set1_ps(1.0F), total);
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      float* const line = tile + i * static_cast<unsigned long>(n_lanes) + lane;
      _mm256_storeu_ps(line, _mm256_mul_ps(_mm256_loadu_ps(line), share));
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
