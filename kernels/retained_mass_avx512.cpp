#include <immintrin.h>

#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

namespace {

// A quarter of the word is a mask register: one masked addition per 16 configurations and lane.
template <int kLanes, int kGroups>
void run(const std::int32_t* value, std::size_t stride, const std::uint64_t* visible, std::size_t n,
         std::int32_t* sum) {
  __m512i total[kLanes][kGroups];
#pragma GCC unroll 8
  for (int lane = 0; lane < kLanes; ++lane) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) total[lane][g] = _mm512_setzero_si512();
  }
  for (std::size_t i = 0; i < n; ++i, value += stride) {
    __mmask16 seen[kGroups];
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) seen[g] = static_cast<__mmask16>(visible[i] >> (16 * g));
#pragma GCC unroll 8
    for (int lane = 0; lane < kLanes; ++lane) {
      const __m512i x = _mm512_set1_epi32(value[lane]);
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) {
        total[lane][g] = _mm512_mask_add_epi32(total[lane][g], seen[g], total[lane][g], x);
      }
    }
  }
#pragma GCC unroll 8
  for (int lane = 0; lane < kLanes; ++lane) {
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) _mm512_storeu_si512(sum + lane * 64 + g * 16, total[lane][g]);
  }
}

template <int kLanes>
void run_groups(const std::int32_t* value, std::size_t stride, const std::uint64_t* visible, std::size_t n,
                std::uint32_t n_groups, std::int32_t* sum) {
  switch (n_groups) {
    case 1:
      return run<kLanes, 1>(value, stride, visible, n, sum);
    case 2:
      return run<kLanes, 2>(value, stride, visible, n, sum);
    case 3:
      return run<kLanes, 3>(value, stride, visible, n, sum);
    default:
      return run<kLanes, 4>(value, stride, visible, n, sum);
  }
}

// kVectors x 16 lanes, of which the last 16 are cut by `last`.
template <int kVectors>
void add_lines(const std::int32_t* value, std::size_t stride, __mmask16 last, const LineList& list,
               const std::int32_t* start, std::int32_t* sum) {
  constexpr int kLast = kVectors - 1;
  __m512i total[kVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) total[j] = _mm512_setzero_si512();
  if (start != nullptr) {
#pragma GCC unroll 8
    for (int j = 0; j < kLast; ++j) total[j] = _mm512_loadu_si512(start + j * 16);
    total[kLast] = _mm512_maskz_loadu_epi32(last, start + kLast * 16);
  }
  for (std::size_t k = 0; k < list.n_added; ++k) {
    const std::int32_t* const line = value + list.added[k] * stride;
#pragma GCC unroll 8
    for (int j = 0; j < kLast; ++j) total[j] = _mm512_add_epi32(total[j], _mm512_loadu_si512(line + j * 16));
    total[kLast] = _mm512_add_epi32(total[kLast], _mm512_maskz_loadu_epi32(last, line + kLast * 16));
  }
  for (std::size_t k = 0; k < list.n_removed; ++k) {
    const std::int32_t* const line = value + list.removed[k] * stride;
#pragma GCC unroll 8
    for (int j = 0; j < kLast; ++j) total[j] = _mm512_sub_epi32(total[j], _mm512_loadu_si512(line + j * 16));
    total[kLast] = _mm512_sub_epi32(total[kLast], _mm512_maskz_loadu_epi32(last, line + kLast * 16));
  }
#pragma GCC unroll 8
  for (int j = 0; j < kLast; ++j) _mm512_storeu_si512(sum + j * 16, total[j]);
  _mm512_mask_storeu_epi32(sum + kLast * 16, last, total[kLast]);
}

}  // namespace

void fixed_avx512(const float* value, std::size_t n, float scale, std::int32_t* fixed) {
  const __m512 factor = _mm512_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_si512(fixed + i, _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(value + i), factor)));
  }
  const auto rest = static_cast<__mmask16>((1U << (n - i)) - 1U);
  const __m512 x = _mm512_maskz_loadu_ps(rest, value + i);
  _mm512_mask_storeu_epi32(fixed + i, rest, _mm512_cvtps_epi32(_mm512_mul_ps(x, factor)));
}

void lines_avx512(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                  const std::int32_t* start, std::int32_t* sum) {
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 64) {
    const std::uint32_t lanes = n_lanes - lane < 64 ? n_lanes - lane : 64;
    const std::uint32_t vectors = (lanes + 15) / 16;
    const auto last = static_cast<__mmask16>(0xFFFFU >> (vectors * 16 - lanes));
    const std::int32_t* const from = start != nullptr ? start + lane : nullptr;
    switch (vectors) {
      case 1:
        add_lines<1>(value + lane, stride, last, list, from, sum + lane);
        break;
      case 2:
        add_lines<2>(value + lane, stride, last, list, from, sum + lane);
        break;
      case 3:
        add_lines<3>(value + lane, stride, last, list, from, sum + lane);
        break;
      default:
        add_lines<4>(value + lane, stride, last, list, from, sum + lane);
        break;
    }
  }
}

void word_run_avx512(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                     std::size_t n, std::uint32_t n_groups, std::int32_t* sum) {
  switch (n_lanes) {
    case 1:
      return run_groups<1>(value, stride, visible, n, n_groups, sum);
    case 2:
      return run_groups<2>(value, stride, visible, n, n_groups, sum);
    case 3:
      return run_groups<3>(value, stride, visible, n, n_groups, sum);
    default:
      return run_groups<4>(value, stride, visible, n, n_groups, sum);
  }
}

}  // namespace kvwave::kernels
