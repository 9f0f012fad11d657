#include <immintrin.h>

#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

namespace {

// kLanes rows by kVectors x 16 channels in registers; each loaded value serves kLanes rows.
template <int kLanes, int kVectors>
void run(const float* prob, std::size_t stride, const std::uint32_t* position, std::size_t n, const float* value,
         std::uint32_t width, float* out) {
  __m512 sum[kLanes][kVectors];
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int j = 0; j < kVectors; ++j) sum[lane][j] = _mm512_setzero_ps();
  }
  for (std::size_t k = 0; k < n; ++k) {
    const float* const v = value + position[k] * static_cast<std::size_t>(width);
    const float* const p = prob + position[k] * stride;
    __m512 channel[kVectors];
    for (int j = 0; j < kVectors; ++j) channel[j] = _mm512_loadu_ps(v + j * 16);
    for (int lane = 0; lane < kLanes; ++lane) {
      const __m512 x = _mm512_set1_ps(p[lane]);
      for (int j = 0; j < kVectors; ++j) sum[lane][j] = _mm512_fmadd_ps(x, channel[j], sum[lane][j]);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int j = 0; j < kVectors; ++j) {
      _mm512_storeu_ps(out + lane * static_cast<std::size_t>(width) + j * 16, sum[lane][j]);
    }
  }
}

template <int kVectors>
void run_lanes(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint32_t* position,
               std::size_t n, const float* value, std::uint32_t width, float* out) {
  std::uint32_t lane = 0;
  for (; lane + 6 <= n_lanes; lane += 6) {
    run<6, kVectors>(prob + lane, stride, position, n, value, width, out + lane * static_cast<std::size_t>(width));
  }
  for (; lane + 3 <= n_lanes; lane += 3) {
    run<3, kVectors>(prob + lane, stride, position, n, value, width, out + lane * static_cast<std::size_t>(width));
  }
  for (; lane < n_lanes; ++lane) {
    run<1, kVectors>(prob + lane, stride, position, n, value, width, out + lane * static_cast<std::size_t>(width));
  }
}

}  // namespace

void weighted_values_avx512(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint32_t* position,
                            std::size_t n, const float* value, std::uint32_t width, float* out) {
  std::uint32_t c = 0;
  for (; c + 64 <= width; c += 64) run_lanes<4>(prob, stride, n_lanes, position, n, value + c, width, out + c);
  for (; c < width; c += 16) run_lanes<1>(prob, stride, n_lanes, position, n, value + c, width, out + c);
}

}  // namespace kvwave::kernels
