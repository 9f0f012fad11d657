#include <immintrin.h>

#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

namespace {

// AVX2 has no mask registers: eight bits of the word become a vector mask that is and-ed with the value.
template <int kLanes>
void run_8_configs(const std::int32_t* value, std::size_t stride, const std::uint64_t* visible, std::size_t n,
                   int shift, std::int32_t* sum) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  __m256i total[kLanes];
#pragma GCC unroll 8
  for (int lane = 0; lane < kLanes; ++lane) total[lane] = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; ++i, value += stride) {
    const __m256i word = _mm256_set1_epi32(static_cast<int>((visible[i] >> shift) & 255U));
    const __m256i seen = _mm256_cmpeq_epi32(_mm256_and_si256(word, bit), bit);
#pragma GCC unroll 8
    for (int lane = 0; lane < kLanes; ++lane) {
      total[lane] = _mm256_add_epi32(total[lane], _mm256_and_si256(seen, _mm256_set1_epi32(value[lane])));
    }
  }
#pragma GCC unroll 8
  for (int lane = 0; lane < kLanes; ++lane) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + lane * 64 + shift), total[lane]);
  }
}

__m256i load(const std::int32_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// kVectors x 8 lanes.
template <int kVectors>
void add_lines(const std::int32_t* value, std::size_t stride, const LineList& list, const std::int32_t* start,
               std::int32_t* sum) {
  __m256i total[kVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) total[j] = start != nullptr ? load(start + j * 8) : _mm256_setzero_si256();
  for (std::size_t k = 0; k < list.n_added; ++k) {
    const std::int32_t* const line = value + list.added[k] * stride;
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) total[j] = _mm256_add_epi32(total[j], load(line + j * 8));
  }
  for (std::size_t k = 0; k < list.n_removed; ++k) {
    const std::int32_t* const line = value + list.removed[k] * stride;
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) total[j] = _mm256_sub_epi32(total[j], load(line + j * 8));
  }
#pragma GCC unroll 8
  for (int j = 0; j < kVectors; ++j) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + j * 8), total[j]);
}

}  // namespace

void fixed_avx2(const float* value, std::size_t n, float scale, std::int32_t* fixed) {
  const __m256 factor = _mm256_set1_ps(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i x = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(value + i), factor));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(fixed + i), x);
  }
  for (; i < n; ++i) fixed[i] = _mm_cvtss_si32(_mm_set_ss(value[i] * scale));
}

void lines_avx2(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                const std::int32_t* start, std::int32_t* sum) {
  const auto from = [&](std::uint32_t lane) { return start != nullptr ? start + lane : nullptr; };
  std::uint32_t lane = 0;
  for (; lane + 48 <= n_lanes; lane += 48) add_lines<6>(value + lane, stride, list, from(lane), sum + lane);
  for (; lane + 16 <= n_lanes; lane += 16) add_lines<2>(value + lane, stride, list, from(lane), sum + lane);
  for (; lane + 8 <= n_lanes; lane += 8) add_lines<1>(value + lane, stride, list, from(lane), sum + lane);
  for (; lane < n_lanes; ++lane) {
    std::int32_t total = start != nullptr ? start[lane] : 0;
    for (std::size_t k = 0; k < list.n_added; ++k) total += value[list.added[k] * stride + lane];
    for (std::size_t k = 0; k < list.n_removed; ++k) total -= value[list.removed[k] * stride + lane];
    sum[lane] = total;
  }
}

// Every processor with AVX2 counts bits in one instruction.
void bit_distances_avx2(const std::uint64_t* line, std::size_t n_words, const std::uint64_t* lines, std::size_t n,
                        std::uint32_t* distance) {
  for (std::size_t j = 0; j < n; ++j, lines += n_words) {
    unsigned long long differ = 0;
    for (std::size_t w = 0; w < n_words; ++w) {
      differ += static_cast<unsigned long long>(_mm_popcnt_u64(line[w] ^ lines[w]));
    }
    distance[j] = static_cast<std::uint32_t>(differ);
  }
}

void word_run_avx2(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                   std::size_t n, std::uint32_t n_groups, std::int32_t* sum) {
#pragma GCC unroll 8
  for (int shift = 0; shift < static_cast<int>(n_groups * 16); shift += 8) {
    switch (n_lanes) {
      case 1:
        run_8_configs<1>(value, stride, visible, n, shift, sum);
        break;
      case 2:
        run_8_configs<2>(value, stride, visible, n, shift, sum);
        break;
      case 3:
        run_8_configs<3>(value, stride, visible, n, shift, sum);
        break;
      default:
        run_8_configs<4>(value, stride, visible, n, shift, sum);
        break;
    }
  }
}

}  // namespace kvwave::kernels
