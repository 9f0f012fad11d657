#include <immintrin.h>

#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

namespace {

// A quarter of the word is a mask register: one masked addition per 16 configurations and lane.
template <int kLanes, int kGroups>
void run(const float* prob, std::size_t stride, const std::uint64_t* visible, std::uint32_t n, float* sum) {
  __m512 total[kLanes][kGroups];
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int g = 0; g < kGroups; ++g) total[lane][g] = _mm512_setzero_ps();
  }
  for (std::uint32_t i = 0; i < n; ++i, prob += stride) {
    __mmask16 seen[kGroups];
    for (int g = 0; g < kGroups; ++g) seen[g] = static_cast<__mmask16>(visible[i] >> (16 * g));
    for (int lane = 0; lane < kLanes; ++lane) {
      const __m512 p = _mm512_set1_ps(prob[lane]);
      for (int g = 0; g < kGroups; ++g) {
        total[lane][g] = _mm512_mask_add_ps(total[lane][g], seen[g], total[lane][g], p);
      }
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int g = 0; g < kGroups; ++g) _mm512_storeu_ps(sum + lane * 64 + g * 16, total[lane][g]);
  }
}

template <int kLanes>
void run_groups(const float* prob, std::size_t stride, const std::uint64_t* visible, std::uint32_t n,
                std::uint32_t n_groups, float* sum) {
  switch (n_groups) {
    case 1:
      return run<kLanes, 1>(prob, stride, visible, n, sum);
    case 2:
      return run<kLanes, 2>(prob, stride, visible, n, sum);
    case 3:
      return run<kLanes, 3>(prob, stride, visible, n, sum);
    default:
      return run<kLanes, 4>(prob, stride, visible, n, sum);
  }
}

}  // namespace

void mass_run_avx512(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                     std::uint32_t n, std::uint32_t n_groups, float* sum) {
  switch (n_lanes) {
    case 1:
      return run_groups<1>(prob, stride, visible, n, n_groups, sum);
    case 2:
      return run_groups<2>(prob, stride, visible, n, n_groups, sum);
    case 3:
      return run_groups<3>(prob, stride, visible, n, n_groups, sum);
    default:
      return run_groups<4>(prob, stride, visible, n, n_groups, sum);
  }
}

}  // namespace kvwave::kernels
