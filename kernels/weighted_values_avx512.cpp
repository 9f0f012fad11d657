#include <immintrin.h>

#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

namespace {

// kLanes rows by kVectors x 16 channels in registers, from channel `c` on; each loaded value serves kLanes rows.
template <int kLanes, int kVectors>
void run(const WeightedLines& rows, const LineList& list, std::size_t lane, std::size_t c, const float* start,
         float* out) {
  __m512 sum[kLanes][kVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kLanes; ++j) {
    const std::size_t at = (lane + static_cast<std::size_t>(j)) * rows.width + c;
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) {
      sum[j][n] = start != nullptr ? _mm512_loadu_ps(start + at + n * 16) : _mm512_setzero_ps();
    }
  }
  for (std::size_t k = 0; k < list.n_added; ++k) {
    const float* const v = rows.value + list.added[k] * rows.width + c;
    const float* const p = rows.prob + list.added[k] * rows.stride + lane;
    __m512 channel[kVectors];
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) channel[n] = _mm512_loadu_ps(v + n * 16);
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) {
      const __m512 x = _mm512_set1_ps(p[j]);
#pragma GCC unroll 8
      for (int n = 0; n < kVectors; ++n) sum[j][n] = _mm512_fmadd_ps(x, channel[n], sum[j][n]);
    }
  }
  for (std::size_t k = 0; k < list.n_removed; ++k) {
    const float* const v = rows.value + list.removed[k] * rows.width + c;
    const float* const p = rows.prob + list.removed[k] * rows.stride + lane;
    __m512 channel[kVectors];
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) channel[n] = _mm512_loadu_ps(v + n * 16);
#pragma GCC unroll 8
    for (int j = 0; j < kLanes; ++j) {
      const __m512 x = _mm512_set1_ps(p[j]);
#pragma GCC unroll 8
      for (int n = 0; n < kVectors; ++n) sum[j][n] = _mm512_fnmadd_ps(x, channel[n], sum[j][n]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kLanes; ++j) {
    const std::size_t at = (lane + static_cast<std::size_t>(j)) * rows.width + c;
#pragma GCC unroll 8
    for (int n = 0; n < kVectors; ++n) _mm512_storeu_ps(out + at + n * 16, sum[j][n]);
  }
}

template <int kVectors>
void run_lanes(const WeightedLines& rows, const LineList& list, std::size_t c, const float* start, float* out) {
  std::size_t lane = 0;
  for (; lane + 6 <= rows.n_lanes; lane += 6) run<6, kVectors>(rows, list, lane, c, start, out);
  for (; lane + 3 <= rows.n_lanes; lane += 3) run<3, kVectors>(rows, list, lane, c, start, out);
  for (; lane < rows.n_lanes; ++lane) run<1, kVectors>(rows, list, lane, c, start, out);
}

}  // namespace

void weighted_values_avx512(const WeightedLines& rows, const LineList& list, const float* start, float* out) {
  std::size_t c = 0;
  for (; c + 64 <= rows.width; c += 64) run_lanes<4>(rows, list, c, start, out);
  for (; c < rows.width; c += 16) run_lanes<1>(rows, list, c, start, out);
}

}  // namespace kvwave::kernels
