#include <immintrin.h>

#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

namespace {

// AVX2 has no mask registers: eight bits of the word become a vector mask that is and-ed with the probability.
template <int kLanes>
void run_8_configs(const float* prob, std::size_t stride, const std::uint64_t* visible, std::uint32_t n, int shift,
                   float* sum) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  __m256 total[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) total[lane] = _mm256_setzero_ps();
  for (std::uint32_t i = 0; i < n; ++i, prob += stride) {
    const __m256i word = _mm256_set1_epi32(static_cast<int>((visible[i] >> shift) & 255U));
    const __m256 seen = _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(word, bit), bit));
    for (int lane = 0; lane < kLanes; ++lane) {
      total[lane] = _mm256_add_ps(total[lane], _mm256_and_ps(seen, _mm256_broadcast_ss(prob + lane)));
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) _mm256_storeu_ps(sum + lane * 64 + shift, total[lane]);
}

}  // namespace

void mass_run_avx2(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                   std::uint32_t n, std::uint32_t n_groups, float* sum) {
  for (int shift = 0; shift < static_cast<int>(n_groups * 16); shift += 8) {
    switch (n_lanes) {
      case 1:
        run_8_configs<1>(prob, stride, visible, n, shift, sum);
        break;
      case 2:
        run_8_configs<2>(prob, stride, visible, n, shift, sum);
        break;
      case 3:
        run_8_configs<3>(prob, stride, visible, n, shift, sum);
        break;
      default:
        run_8_configs<4>(prob, stride, visible, n, shift, sum);
        break;
    }
  }
}

}  // namespace kvwave::kernels
