#include "tests/bench/simd_peak.h"

#include <algorithm>
#include <chrono>
#include <immintrin.h>

#include "kernels/cpu_features.h"

namespace kvwave::bench {
namespace {

constexpr int kSums = 12;  // more than two units times a latency of four or five cycles
constexpr int kSteps = 20000, kRuns = 300;

__attribute__((target("avx512f"))) float fused_avx512() {
  __m512 sum[kSums];
  const __m512 x = _mm512_set1_ps(0.999F), y = _mm512_set1_ps(0.001F);
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], x, y);
  }
  __m512 total = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sum[i]);
  return _mm512_cvtss_f32(total);
}

__attribute__((target("avx2,fma"))) float fused_avx2() {
  __m256 sum[kSums];
  const __m256 x = _mm256_set1_ps(0.999F), y = _mm256_set1_ps(0.001F);
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm256_fmadd_ps(sum[i], x, y);
  }
  __m256 total = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kSums; ++i) total = _mm256_add_ps(total, sum[i]);
  return _mm256_cvtss_f32(total);
}

float separate_baseline() {
  __m128 sum[kSums];
  const __m128 x = _mm_set1_ps(0.999F), y = _mm_set1_ps(0.001F);
#pragma GCC unroll 12
  for (int i = 0; i < kSums; ++i) sum[i] = _mm_set1_ps(static_cast<float>(i));
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm_add_ps(_mm_mul_ps(sum[i], x), y);
  }
  __m128 total = sum[0];
#pragma GCC unroll 12
  for (int i = 1; i < kSums; ++i) total = _mm_add_ps(total, sum[i]);
  return _mm_cvtss_f32(total);
}

}  // namespace

double simd_peak_flops() {
  using Clock = std::chrono::steady_clock;
  const kernels::SimdPath path = kernels::simd_path();
  const auto run = path == kernels::SimdPath::avx512 ? fused_avx512
                   : path == kernels::SimdPath::avx2 ? fused_avx2
                                                     : separate_baseline;
  const double lanes = path == kernels::SimdPath::avx512 ? 16 : path == kernels::SimdPath::avx2 ? 8 : 4;
  volatile float keep = 0;
  double best = 1e300;
  for (int i = 0; i < kRuns; ++i) {
    const Clock::time_point start = Clock::now();
    keep = keep + run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return 2.0 * lanes * kSums * kSteps / best;
}

}  // namespace kvwave::bench
