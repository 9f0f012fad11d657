#include <immintrin.h>

#include "kernels/output_distance_paths.h"

namespace kvwave::kernels {

void distance_parts_avx512(const float* start, float sign, const float* part, float scale, const float* reference,
                           std::uint32_t width, float* sums) {
  const __m512 signs = _mm512_set1_ps(sign), scales = _mm512_set1_ps(scale);
  __m512 total = _mm512_setzero_ps();
  for (std::uint32_t c = 0; c < width; c += 16) {
    const __m512 sum = _mm512_add_ps(_mm512_loadu_ps(start + c), _mm512_mul_ps(signs, _mm512_loadu_ps(part + c)));
    const __m512 difference = _mm512_sub_ps(_mm512_mul_ps(scales, sum), _mm512_loadu_ps(reference + c));
    total = _mm512_add_ps(total, _mm512_mul_ps(difference, difference));
  }
  _mm512_storeu_ps(sums, total);
}

}  // namespace kvwave::kernels
