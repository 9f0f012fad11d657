#include <immintrin.h>

#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

namespace {

// kRows rows at once: fewer would wait for their own sums, whose order is fixed.
template <int kRows>
void dots_of(const float* const* rows, const float* panel, std::uint32_t head_dim, float (*dots)[16]) {
  __m256 low[kRows], high[kRows];
#pragma GCC unroll 6
  for (int j = 0; j < kRows; ++j) low[j] = high[j] = _mm256_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const __m256 key_low = _mm256_loadu_ps(panel + c * 16);
    const __m256 key_high = _mm256_loadu_ps(panel + c * 16 + 8);
#pragma GCC unroll 6
    for (int j = 0; j < kRows; ++j) {
      const __m256 x = _mm256_broadcast_ss(rows[j] + c);
      low[j] = _mm256_add_ps(low[j], _mm256_mul_ps(x, key_low));
      high[j] = _mm256_add_ps(high[j], _mm256_mul_ps(x, key_high));
    }
  }
#pragma GCC unroll 6
  for (int j = 0; j < kRows; ++j) {
    _mm256_storeu_ps(dots[j], low[j]);
    _mm256_storeu_ps(dots[j] + 8, high[j]);
  }
}

}  // namespace

void panel_dots_avx2(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                     float (*dots)[16]) {
  while (n_rows > 6) {
    dots_of<4>(rows, panel, head_dim, dots);
    rows += 4, dots += 4, n_rows -= 4;
  }
  switch (n_rows) {
    case 6:
      return dots_of<6>(rows, panel, head_dim, dots);
    case 5:
      return dots_of<5>(rows, panel, head_dim, dots);
    case 4:
      return dots_of<4>(rows, panel, head_dim, dots);
    case 3:
      return dots_of<3>(rows, panel, head_dim, dots);
    case 2:
      return dots_of<2>(rows, panel, head_dim, dots);
    case 1:
      return dots_of<1>(rows, panel, head_dim, dots);
    default:
      return;
  }
}

void panel_column_sums_avx2(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                            double* column) {
  const unsigned long size = head_dim * 16UL;
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    __m256d lane[4];
    for (__m256d& sum : lane) sum = _mm256_setzero_pd();
    for (std::uint32_t p = 0; p < n_panels; ++p) {
      const float* const keys = panels + p * size + c * 16;
      for (int j = 0; j < 4; ++j) lane[j] = _mm256_add_pd(lane[j], _mm256_cvtps_pd(_mm_loadu_ps(keys + 4 * j)));
    }
    double lanes[16];
    for (int j = 0; j < 4; ++j) _mm256_storeu_pd(lanes + 4 * j, lane[j]);
    key_sum[c] = 0;
    for (const double x : lanes) key_sum[c] += x;
  }
  for (std::uint32_t p = 0; p < n_panels; ++p) {
    __m256d total[4];
    for (__m256d& sum : total) sum = _mm256_setzero_pd();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const float* const keys = panels + p * size + c * 16;
      const __m256d of_channel = _mm256_set1_pd(key_sum[c]);
      for (int j = 0; j < 4; ++j) {
        const __m256d u = _mm256_cvtps_pd(_mm_loadu_ps(keys + 4 * j));
        total[j] = _mm256_add_pd(total[j], _mm256_mul_pd(u, _mm256_sub_pd(of_channel, u)));
      }
    }
    for (int j = 0; j < 4; ++j) _mm256_storeu_pd(column + p * 16 + 4 * j, total[j]);
  }
}

}  // namespace kvwave::kernels
