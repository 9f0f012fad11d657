#include <immintrin.h>

#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

void panel_dots_avx2(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                     float (*dots)[16]) {
  std::uint32_t r = 0;
  for (; r + 4 <= n_rows; r += 4) {
    __m256 low[4], high[4];
    for (int j = 0; j < 4; ++j) low[j] = high[j] = _mm256_setzero_ps();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const __m256 key_low = _mm256_loadu_ps(panel + c * 16);
      const __m256 key_high = _mm256_loadu_ps(panel + c * 16 + 8);
      for (int j = 0; j < 4; ++j) {
        const __m256 x = _mm256_broadcast_ss(rows[r + j] + c);
        low[j] = _mm256_add_ps(low[j], _mm256_mul_ps(x, key_low));
        high[j] = _mm256_add_ps(high[j], _mm256_mul_ps(x, key_high));
      }
    }
    for (int j = 0; j < 4; ++j) {
      _mm256_storeu_ps(dots[r + j], low[j]);
      _mm256_storeu_ps(dots[r + j] + 8, high[j]);
    }
  }
  for (; r < n_rows; ++r) {
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const __m256 x = _mm256_broadcast_ss(rows[r] + c);
      low = _mm256_add_ps(low, _mm256_mul_ps(x, _mm256_loadu_ps(panel + c * 16)));
      high = _mm256_add_ps(high, _mm256_mul_ps(x, _mm256_loadu_ps(panel + c * 16 + 8)));
    }
    _mm256_storeu_ps(dots[r], low);
    _mm256_storeu_ps(dots[r] + 8, high);
  }
}

}  // namespace kvwave::kernels
