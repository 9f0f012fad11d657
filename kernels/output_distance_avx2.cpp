#include <immintrin.h>

#include "kernels/output_distance_paths.h"

namespace kvwave::kernels {

void distance_parts_avx2(const float* start, float sign, const float* part, float scale, const float* reference,
                         std::uint32_t width, float* sums) {
  const __m256 signs = _mm256_set1_ps(sign), scales = _mm256_set1_ps(scale);
  __m256 total[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (std::uint32_t c = 0; c < width; c += 8) {
    const __m256 sum = _mm256_add_ps(_mm256_loadu_ps(start + c), _mm256_mul_ps(signs, _mm256_loadu_ps(part + c)));
    const __m256 difference = _mm256_sub_ps(_mm256_mul_ps(scales, sum), _mm256_loadu_ps(reference + c));
    __m256& half = total[c / 8 % 2];
    half = _mm256_add_ps(half, _mm256_mul_ps(difference, difference));
  }
  _mm256_storeu_ps(sums, total[0]);
  _mm256_storeu_ps(sums + 8, total[1]);
}

}  // namespace kvwave::kernels
