// The vector operations that the kernel bodies (*_body.h) are written in, for AVX-512 F/BW/VL/DQ. Only *_avx512.cpp
// files include this. Everything is in an unnamed namespace, so that no wide copy of it can reach other files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/bytes_128.h"
#include "kernels/lane_sums_128.h"

namespace {  // NOLINT(google-build-namespaces): one copy per file is the point

using F = __m512;   // floats
using I = __m512i;  // 32-bit integers
constexpr int kWidth = 16;
constexpr int kRegisters = 32;

inline void prefetch(const std::uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}
inline F zero() {
  return _mm512_setzero_ps();
}
inline F set1(float a) {
  return _mm512_set1_ps(a);
}
inline F load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline F load_f16(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline F load_bf16(const std::uint16_t* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline void store(float* p, F a) {
  _mm512_storeu_ps(p, a);
}
inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm512_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm512_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm512_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}
// Both return b when either is NaN.
inline F max(F a, F b) {
  return _mm512_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm512_min_ps(a, b);
}

inline __m128 fold(F a) {
  const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  return _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
}
inline float reduce_add(F a) {
  return add_lanes(fold(a));
}
// out[i] = reduce_add of the i-th vector, with the same additions.
inline void store_sums_of_4(float* out, F a, F b, F c, F d) {
  store_lane_sums(out, fold(a), fold(b), fold(c), fold(d));
}
inline float reduce_max(F a) {
  return _mm512_reduce_max_ps(a);
}
// Sum of all lanes in fp64.
inline double reduce_add_f64(F a) {
  return _mm512_reduce_add_pd(
      _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))));
}
// a where x >= bound or x is NaN, else 0.
inline F keep_unless_below(F a, F x, float bound) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, set1(bound), _CMP_NLT_UQ), a);
}
// a * 2^n for integral n in [-126, 127].
inline F times_power_of_2(F a, F n) {
  return _mm512_scalef_ps(a, n);
}
inline F round_to_integer(F a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline F to_float(I a) {
  return _mm512_cvtepi32_ps(a);
}
inline I load_bytes(const std::uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline I load_signed_bytes(const std::uint8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline I low_nibbles(I bytes) {
  return _mm512_and_si512(bytes, _mm512_set1_epi32(15));
}
inline I high_nibbles(I bytes) {
  return _mm512_srli_epi32(bytes, 4);
}
// For indices below 16.
inline Bytes look_up(const std::int8_t* table, Bytes index) {
  return _mm_shuffle_epi8(load_16_bytes(reinterpret_cast<const std::uint8_t*>(table)), index);
}
// Byte i is 16 where bit i of two bytes is set, else 0.
inline Bytes bits_to_16(const std::uint8_t* bits) {
  std::uint16_t both;
  __builtin_memcpy(&both, bits, 2);
  return _mm_maskz_set1_epi8(both, 16);
}
// All sixteen.
inline void to_floats(Bytes a, F* w) {
  w[0] = to_float(_mm512_cvtepu8_epi32(a));
}
inline void signed_to_floats(Bytes a, F* w) {
  w[0] = to_float(_mm512_cvtepi8_epi32(a));
}

// scale * n + shift for n = 0..15, looked up by the low four bits of each lane.
class NibbleTable {
 public:
  NibbleTable(F scale, F shift)
      : table_(_mm512_fmadd_ps(scale, _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), shift)) {}
  F low(I bytes) const { return _mm512_permutexvar_ps(bytes, table_); }
  F high(I bytes) const { return _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), table_); }

 private:
  F table_;
};

struct HalfPair {
  F a, b;
};
// Two halves that follow one another, each in all lanes.
inline HalfPair broadcast_half_pair(const std::uint8_t* p) {
  std::int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(bits));
  return {_mm512_broadcastss_ps(both), _mm512_permutexvar_ps(_mm512_set1_epi32(1), _mm512_castps128_ps512(both))};
}
inline F broadcast_half(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

}  // namespace
