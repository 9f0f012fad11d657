#include <immintrin.h>

#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

namespace {

// kLanes rows by 16 channels in registers, from channel `c` on.
template <int kLanes>
void run(const WeightedLines& rows, const LineList& list, std::size_t lane, std::size_t c, const float* start,
         float* out) {
  __m256 low[kLanes], high[kLanes];
#pragma GCC unroll 8
  for (int j = 0; j < kLanes; ++j) {
    const std::size_t at = (lane + static_cast<std::size_t>(j)) * rows.width + c;
    low[j] = start != nullptr ? _mm256_loadu_ps(start + at) : _mm256_setzero_ps();
    high[j] = start != nullptr ? _mm256_loadu_ps(start + at + 8) : _mm256_setzero_ps();
  }
  for (std::size_t k = 0; k < list.n_added; ++k) {
    const float* const v = rows.value + list.added[k] * rows.width + c;
    const float* const p = rows.prob + list.added[k] * rows.stride + lane;
    const __m256 v_low = _mm256_loadu_ps(v), v_high = _mm256_loadu_ps(v + 8);
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) {
      const __m256 x = _mm256_broadcast_ss(p + j);
      low[j] = _mm256_fmadd_ps(x, v_low, low[j]);
      high[j] = _mm256_fmadd_ps(x, v_high, high[j]);
    }
  }
  for (std::size_t k = 0; k < list.n_removed; ++k) {
    const float* const v = rows.value + list.removed[k] * rows.width + c;
    const float* const p = rows.prob + list.removed[k] * rows.stride + lane;
    const __m256 v_low = _mm256_loadu_ps(v), v_high = _mm256_loadu_ps(v + 8);
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) {
      const __m256 x = _mm256_broadcast_ss(p + j);
      low[j] = _mm256_fnmadd_ps(x, v_low, low[j]);
      high[j] = _mm256_fnmadd_ps(x, v_high, high[j]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kLanes; ++j) {
    const std::size_t at = (lane + static_cast<std::size_t>(j)) * rows.width + c;
    _mm256_storeu_ps(out + at, low[j]);
    _mm256_storeu_ps(out + at + 8, high[j]);
  }
}

}  // namespace

void weighted_values_avx2(const WeightedLines& rows, const LineList& list, const float* start, float* out) {
  for (std::size_t c = 0; c < rows.width; c += 16) {
    std::size_t lane = 0;
    for (; lane + 6 <= rows.n_lanes; lane += 6) run<6>(rows, list, lane, c, start, out);
    for (; lane + 3 <= rows.n_lanes; lane += 3) run<3>(rows, list, lane, c, start, out);
    for (; lane < rows.n_lanes; ++lane) run<1>(rows, list, lane, c, start, out);
  }
}

}  // namespace kvwave::kernels
