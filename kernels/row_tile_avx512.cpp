#include <immintrin.h>

#include "kernels/row_tile_paths.h"

namespace kvwave::kernels {

namespace {

// kBlocks x 16 lanes by 8 positions in registers; each loaded query vector serves eight keys.
template <int kBlocks>
void logits_8_keys(const float* query, const float* key, std::uint32_t n_lanes, std::uint32_t head_dim, __m512 scale,
                   float* out) {
  __m512 sum[8][kBlocks];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 8
    for (int b = 0; b < kBlocks; ++b) sum[i][b] = _mm512_setzero_ps();
  }
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    __m512 q[kBlocks];
#pragma GCC unroll 8
    for (int b = 0; b < kBlocks; ++b) q[b] = _mm512_loadu_ps(query + c * static_cast<unsigned long>(n_lanes) + b * 16);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const __m512 x = _mm512_set1_ps(key[i * static_cast<unsigned long>(head_dim) + c]);
#pragma GCC unroll 8
      for (int b = 0; b < kBlocks; ++b) sum[i][b] = _mm512_fmadd_ps(x, q[b], sum[i][b]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 8
    for (int b = 0; b < kBlocks; ++b) {
      _mm512_storeu_ps(out + i * static_cast<unsigned long>(n_lanes) + b * 16, _mm512_mul_ps(sum[i][b], scale));
    }
  }
}

void logits_1_key(const float* query, const float* key, std::uint32_t n_lanes, std::uint32_t head_dim, __m512 scale,
                  float* out) {
  __m512 sum = _mm512_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    sum =
        _mm512_fmadd_ps(_mm512_set1_ps(key[c]), _mm512_loadu_ps(query + c * static_cast<unsigned long>(n_lanes)), sum);
  }
  _mm512_storeu_ps(out, _mm512_mul_ps(sum, scale));
}

// 2^x for x <= 0, relative error below 2e-7; exactly 0 below -126.
inline __m512 power_of_2(__m512 x) {
  const __mmask16 keep = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0F), _CMP_GE_OQ);
  const __m512 t = _mm512_maskz_mov_ps(keep, x);
  const __m512 k = _mm512_maskz_roundscale_ps(keep, t, 0);
  const __m512 r = _mm512_sub_ps(t, k);
  __m512 p = _mm512_set1_ps(1.535336188319500e-4F);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.339887440266574e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.618437357674640e-3F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.550332471162809e-2F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.402264791363012e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.931472028550421e-1F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
  return _mm512_maskz_scalef_ps(keep, p, k);
}

}  // namespace

void tile_logits_avx512(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                        std::uint32_t head_dim, float scale, float* out) {
  const __m512 factor = _mm512_set1_ps(scale);
  std::uint32_t lane = 0;
  while (lane < n_lanes) {
    const std::uint32_t blocks = n_lanes - lane >= 48 ? 3 : (n_lanes - lane) / 16;
    std::uint32_t i = 0;
    for (; i + 8 <= n_positions; i += 8) {
      const float* const keys = key + i * static_cast<unsigned long>(head_dim);
      float* const to = out + i * static_cast<unsigned long>(n_lanes) + lane;
      if (blocks == 3) {
        logits_8_keys<3>(query + lane, keys, n_lanes, head_dim, factor, to);
      } else if (blocks == 2) {
        logits_8_keys<2>(query + lane, keys, n_lanes, head_dim, factor, to);
      } else {
        logits_8_keys<1>(query + lane, keys, n_lanes, head_dim, factor, to);
      }
    }
    for (; i < n_positions; ++i) {
      for (std::uint32_t b = 0; b < blocks; ++b) {
        logits_1_key(query + lane + b * 16, key + i * static_cast<unsigned long>(head_dim), n_lanes, head_dim, factor,
                     out + i * static_cast<unsigned long>(n_lanes) + lane + b * 16);
      }
    }
    lane += blocks * 16;
  }
}

void tile_powers_avx512(float* block, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible,
                        std::uint32_t first_position, float* top, float* total) {
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 16) {
    float* const lines = block + lane;
    const __m512 before = _mm512_loadu_ps(top + lane);
    if (n_visible != nullptr) {  // what a lane does not see is put out of the way
      const __m512i visible = _mm512_loadu_si512(n_visible + lane);
      const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
      for (std::uint32_t i = 0; i < n_positions; ++i) {
        float* const line = lines + i * static_cast<unsigned long>(n_lanes);
        const __mmask16 seen =
            _mm512_cmpgt_epu32_mask(visible, _mm512_set1_epi32(static_cast<int>(first_position + i)));
        _mm512_storeu_ps(line, _mm512_mask_mov_ps(nothing, seen, _mm512_loadu_ps(line)));
      }
    }
    __m512 now = before;
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      now = _mm512_max_ps(now, _mm512_loadu_ps(lines + i * static_cast<unsigned long>(n_lanes)));
    }
    __m512 sum = _mm512_setzero_ps();
    for (std::uint32_t i = 0; i < n_positions; ++i) {
      float* const line = lines + i * static_cast<unsigned long>(n_lanes);
      const __m512 power = power_of_2(_mm512_sub_ps(_mm512_loadu_ps(line), now));
      _mm512_storeu_ps(line, power);
      sum = _mm512_add_ps(sum, power);
    }
    const __m512 so_far = _mm512_mul_ps(_mm512_loadu_ps(total + lane), power_of_2(_mm512_sub_ps(before, now)));
    _mm512_storeu_ps(total + lane, _mm512_add_ps(so_far, sum));
    _mm512_storeu_ps(top + lane, now);
  }
}

void tile_scale_avx512(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                       std::int32_t* fixed) {
  const __m512 one = _mm512_set1_ps(0x1p30F);
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    for (std::uint32_t lane = 0; lane < n_lanes; lane += 16) {
      const unsigned long at = i * static_cast<unsigned long>(n_lanes) + lane;
      const __m512 p = _mm512_mul_ps(_mm512_loadu_ps(prob + at), _mm512_loadu_ps(factor + lane));
      _mm512_storeu_ps(prob + at, p);
      _mm512_storeu_si512(fixed + at, _mm512_cvtps_epi32(_mm512_mul_ps(p, one)));
    }
  }
}

void tile_count_avx512(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                       std::uint32_t* count) {
  const __m512 least = _mm512_loadu_ps(threshold);
  const __m512i one = _mm512_set1_epi32(1);
  __m512i n = _mm512_loadu_si512(count);
  for (std::uint32_t i = 0; i < n_positions; ++i) {
    const __mmask16 in =
        _mm512_cmp_ps_mask(_mm512_loadu_ps(tile + i * static_cast<unsigned long>(n_lanes)), least, _CMP_GE_OQ);
    n = _mm512_mask_add_epi32(n, in, n, one);
  }
  _mm512_storeu_si512(count, n);
}

}  // namespace kvwave::kernels
