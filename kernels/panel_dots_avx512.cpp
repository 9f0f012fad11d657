#include <immintrin.h>

#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

namespace {

// kRows rows at once: fewer would wait for their own sums, whose order is fixed.
template <int kRows>
void dots_of(const float* const* rows, const float* panel, std::uint32_t head_dim, float (*dots)[16]) {
  __m512 sum[kRows];
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j) sum[j] = _mm512_setzero_ps();
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    const __m512 key = _mm512_loadu_ps(panel + c * 16);
#pragma GCC unroll 8
    for (int j = 0; j < kRows; ++j) sum[j] = _mm512_add_ps(sum[j], _mm512_mul_ps(_mm512_set1_ps(rows[j][c]), key));
  }
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j) _mm512_storeu_ps(dots[j], sum[j]);
}

}  // namespace

void panel_dots_avx512(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                       float (*dots)[16]) {
  switch (n_rows) {
    case 8:
      return dots_of<8>(rows, panel, head_dim, dots);
    case 7:
      return dots_of<7>(rows, panel, head_dim, dots);
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

void panel_column_sums_avx512(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                              double* column) {
  const unsigned long size = head_dim * 16UL;
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    __m512d lane[2];
    for (__m512d& sum : lane) sum = _mm512_setzero_pd();
    for (std::uint32_t p = 0; p < n_panels; ++p) {
      const float* const keys = panels + p * size + c * 16;
      for (int j = 0; j < 2; ++j) lane[j] = _mm512_add_pd(lane[j], _mm512_cvtps_pd(_mm256_loadu_ps(keys + 8 * j)));
    }
    double lanes[16];
    for (int j = 0; j < 2; ++j) _mm512_storeu_pd(lanes + 8 * j, lane[j]);
    key_sum[c] = 0;
    for (const double x : lanes) key_sum[c] += x;
  }
  for (std::uint32_t p = 0; p < n_panels; ++p) {
    __m512d total[2];
    for (__m512d& sum : total) sum = _mm512_setzero_pd();
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const float* const keys = panels + p * size + c * 16;
      const __m512d of_channel = _mm512_set1_pd(key_sum[c]);
      for (int j = 0; j < 2; ++j) {
        const __m512d u = _mm512_cvtps_pd(_mm256_loadu_ps(keys + 8 * j));
        total[j] = _mm512_add_pd(total[j], _mm512_mul_pd(u, _mm512_sub_pd(of_channel, u)));
      }
    }
    for (int j = 0; j < 2; ++j) _mm512_storeu_pd(column + p * 16 + 8 * j, total[j]);
  }
}

}  // namespace kvwave::kernels
