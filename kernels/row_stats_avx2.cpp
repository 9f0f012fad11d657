// Row passes for AVX2 + F16C.
#include <immintrin.h>

#include "kernels/row_stats_passes.h"
#include "kernels/row_stats_scan.h"

namespace kvwave::kernels {
namespace {

std::size_t keep_at_least(const float* row, std::size_t n, float threshold, std::uint32_t* position, float* kept) {
  const __m256 limit = _mm256_set1_ps(threshold);
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    auto mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(row + i), limit, _CMP_GE_OQ)));
    for (; mask != 0; mask &= mask - 1) {
      const std::size_t at = i + static_cast<unsigned>(__builtin_ctz(mask));
      position[count] = static_cast<std::uint32_t>(at);
      kept[count++] = row[at];
    }
  }
  for (; i < n; ++i) {
    if (row[i] < threshold) continue;
    position[count] = static_cast<std::uint32_t>(i);
    kept[count++] = row[i];
  }
  return count;
}

double store_f16(const float* values, std::size_t n, std::uint16_t* out) {
  __m256d low = _mm256_setzero_pd();  // stored values are multiples of 2^-24: sums are exact in any order
  __m256d high = _mm256_setzero_pd();
  for (std::size_t i = 0; i < n; i += 8) {
    __m256 v = _mm256_loadu_ps(values + i);
    if (n - i < 8) {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n - i)), lane);
      v = _mm256_and_ps(v, _mm256_castsi256_ps(inside));
    }
    const __m128i half = _mm256_cvtps_ph(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), half);
    const __m256 stored = _mm256_cvtph_ps(half);
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(stored)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(stored, 1)));
  }
  double lanes[4];
  _mm256_storeu_pd(lanes, _mm256_add_pd(low, high));
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

}  // namespace

const RowPasses kRowPassesAvx2 = {scan_row, keep_at_least, store_f16};

}  // namespace kvwave::kernels
