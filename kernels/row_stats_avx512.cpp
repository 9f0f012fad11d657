// Row passes for AVX-512 F/BW/VL/DQ.
#include <immintrin.h>

#include "kernels/row_stats_passes.h"
#include "kernels/row_stats_scan.h"

namespace kvwave::kernels {
namespace {

std::size_t keep_at_least(const float* row, std::size_t n, float threshold, std::uint32_t* position, float* kept) {
  const __m512 limit = _mm512_set1_ps(threshold);
  __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 inside = n - i < 16 ? static_cast<__mmask16>((1U << (n - i)) - 1U) : static_cast<__mmask16>(0xFFFF);
    const __m512 v = _mm512_maskz_loadu_ps(inside, row + i);
    const __mmask16 keep = _mm512_mask_cmp_ps_mask(inside, v, limit, _CMP_GE_OQ);
    // Compressing in a register and storing all of it is far quicker than a compressing store on some CPUs.
    _mm512_storeu_si512(position + count, _mm512_maskz_compress_epi32(keep, at));
    _mm512_storeu_ps(kept + count, _mm512_maskz_compress_ps(keep, v));
    count += static_cast<unsigned>(__builtin_popcount(keep));
    at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
  }
  return count;
}

double store_f16(const float* values, std::size_t n, std::uint16_t* out) {
  __m512d low = _mm512_setzero_pd();  // stored values are multiples of 2^-24: sums are exact in any order
  __m512d high = _mm512_setzero_pd();
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 inside = n - i < 16 ? static_cast<__mmask16>((1U << (n - i)) - 1U) : static_cast<__mmask16>(0xFFFF);
    const __m512 v = _mm512_maskz_loadu_ps(inside, values + i);
    const __m256i half = _mm512_cvtps_ph(v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), half);
    const __m512 stored = _mm512_cvtph_ps(half);
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(stored)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(stored, 1)));
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
}

}  // namespace

const RowPasses kRowPassesAvx512 = {scan_row, keep_at_least, store_f16};

}  // namespace kvwave::kernels
