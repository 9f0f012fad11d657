#include <immintrin.h>

#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

void panel_dots_avx512(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                       float (*dots)[16]) {
  std::uint32_t r = 0;
  for (; r + 8 <= n_rows; r += 8) {
    __m512 sum[8];
    for (int j = 0; j < 8; ++j) sum[j] = _mm512_setzero_ps();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const __m512 key = _mm512_loadu_ps(panel + c * 16);
      for (int j = 0; j < 8; ++j) sum[j] = _mm512_add_ps(sum[j], _mm512_mul_ps(_mm512_set1_ps(rows[r + j][c]), key));
    }
    for (int j = 0; j < 8; ++j) _mm512_storeu_ps(dots[r + j], sum[j]);
  }
  for (; r < n_rows; ++r) {
    __m512 sum = _mm512_setzero_ps();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(rows[r][c]), _mm512_loadu_ps(panel + c * 16)));
    }
    _mm512_storeu_ps(dots[r], sum);
  }
}

}  // namespace kvwave::kernels
