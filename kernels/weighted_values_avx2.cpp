#include <immintrin.h>

#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

namespace {

// kLanes rows by 16 channels in registers.
template <int kLanes>
void run(const float* prob, std::size_t stride, const std::uint32_t* position, std::size_t n, const float* value,
         std::uint32_t width, float* out) {
  __m256 low[kLanes], high[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) low[lane] = high[lane] = _mm256_setzero_ps();
  for (std::size_t k = 0; k < n; ++k) {
    const float* const v = value + position[k] * static_cast<std::size_t>(width);
    const float* const p = prob + position[k] * stride;
    const __m256 v_low = _mm256_loadu_ps(v), v_high = _mm256_loadu_ps(v + 8);
    for (int lane = 0; lane < kLanes; ++lane) {
      const __m256 x = _mm256_broadcast_ss(p + lane);
      low[lane] = _mm256_fmadd_ps(x, v_low, low[lane]);
      high[lane] = _mm256_fmadd_ps(x, v_high, high[lane]);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    _mm256_storeu_ps(out + lane * static_cast<std::size_t>(width), low[lane]);
    _mm256_storeu_ps(out + lane * static_cast<std::size_t>(width) + 8, high[lane]);
  }
}

}  // namespace

void weighted_values_avx2(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint32_t* position,
                          std::size_t n, const float* value, std::uint32_t width, float* out) {
  for (std::uint32_t c = 0; c < width; c += 16) {
    std::uint32_t lane = 0;
    for (; lane + 6 <= n_lanes; lane += 6) {
      run<6>(prob + lane, stride, position, n, value + c, width, out + lane * static_cast<std::size_t>(width) + c);
    }
    for (; lane < n_lanes; ++lane) {
      run<1>(prob + lane, stride, position, n, value + c, width, out + lane * static_cast<std::size_t>(width) + c);
    }
  }
}

}  // namespace kvwave::kernels
