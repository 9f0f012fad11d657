// The vector operations that the kernel bodies (*_body.h) are written in, for AVX2 with FMA and F16C; vector_avx512.h
// and bytes_128.h say what each one does. Only *_avx2.cpp files include this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/lane_sums_128.h"

namespace {  // NOLINT(google-build-namespaces): one copy per file is the point

using F = __m256;
using I = __m256i;
constexpr int kWidth = 8;
constexpr int kRegisters = 16;

inline void prefetch(const std::uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}
inline F zero() {
  return _mm256_setzero_ps();
}
inline F set1(float a) {
  return _mm256_set1_ps(a);
}
inline F load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline F load_f16(const std::uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline F load_bf16(const std::uint16_t* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline void store(float* p, F a) {
  _mm256_storeu_ps(p, a);
}
inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm256_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm256_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm256_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline F max(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm256_min_ps(a, b);
}

inline __m128 fold(F a) {
  return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
}
inline float reduce_add(F a) {
  return add_lanes(fold(a));
}
inline void store_sums_of_4(float* out, F a, F b, F c, F d) {
  store_lane_sums(out, fold(a), fold(b), fold(c), fold(d));
}
inline float reduce_max(F a) {
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}
inline F keep_unless_below(F a, F x, float bound) {
  return _mm256_and_ps(a, _mm256_cmp_ps(x, set1(bound), _CMP_NLT_UQ));
}
inline F times_power_of_2(F a, F n) {
  const I exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return mul(a, _mm256_castsi256_ps(exponent));
}
inline F round_to_integer(F a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline F to_float(I a) {
  return _mm256_cvtepi32_ps(a);
}
inline I load_bytes(const std::uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline I load_signed_bytes(const std::uint8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline I low_nibbles(I bytes) {
  return _mm256_and_si256(bytes, _mm256_set1_epi32(15));
}
inline I high_nibbles(I bytes) {
  return _mm256_srli_epi32(bytes, 4);
}
// Each 128-bit lane holds all sixteen, so that a shuffle within lanes reaches every one.
using Bytes = __m256i;
inline Bytes load_16_bytes(const std::uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Bytes shift_right_and(Bytes a, int n, int mask) {
  const Bytes shifted = n > 0 ? _mm256_srli_epi16(a, n) : n < 0 ? _mm256_slli_epi16(a, -n) : a;
  return _mm256_and_si256(shifted, _mm256_set1_epi8(static_cast<char>(mask)));
}
inline Bytes bit_or(Bytes a, Bytes b) {
  return _mm256_or_si256(a, b);
}
inline Bytes look_up(const std::int8_t* table, Bytes index) {
  return _mm256_shuffle_epi8(load_16_bytes(reinterpret_cast<const std::uint8_t*>(table)), index);
}
inline Bytes bits_to_16(const std::uint8_t* bits) {
  std::uint16_t both;
  __builtin_memcpy(&both, bits, 2);
  const __m256i which = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const __m256i byte_bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi16(static_cast<short>(both)), which);
  const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, byte_bit), byte_bit);
  return _mm256_and_si256(is_set, _mm256_set1_epi8(16));
}
inline void to_floats(Bytes a, F* w) {
  const __m256i first = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3, -1, -1, -1,  //
                                         4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7, -1, -1, -1);
  const __m256i second = _mm256_setr_epi8(8, -1, -1, -1, 9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1,  //
                                          12, -1, -1, -1, 13, -1, -1, -1, 14, -1, -1, -1, 15, -1, -1, -1);
  w[0] = to_float(_mm256_shuffle_epi8(a, first));
  w[1] = to_float(_mm256_shuffle_epi8(a, second));
}
inline void signed_to_floats(Bytes a, F* w) {
  const __m256i first = _mm256_setr_epi8(-1, -1, -1, 0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3,  //
                                         -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7);
  const __m256i second = _mm256_setr_epi8(-1, -1, -1, 8, -1, -1, -1, 9, -1, -1, -1, 10, -1, -1, -1, 11,  //
                                          -1, -1, -1, 12, -1, -1, -1, 13, -1, -1, -1, 14, -1, -1, -1, 15);
  w[0] = to_float(_mm256_srai_epi32(_mm256_shuffle_epi8(a, first), 24));
  w[1] = to_float(_mm256_srai_epi32(_mm256_shuffle_epi8(a, second), 24));
}

class NibbleTable {
 public:
  NibbleTable(F scale, F shift) : scale_(scale), shift_(shift) {}
  F low(I bytes) const { return fma(scale_, to_float(low_nibbles(bytes)), shift_); }
  F high(I bytes) const { return fma(scale_, to_float(high_nibbles(bytes)), shift_); }

 private:
  F scale_, shift_;
};

struct HalfPair {
  F a, b;
};
inline HalfPair broadcast_half_pair(const std::uint8_t* p) {
  std::int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  const __m128 both = _mm_cvtph_ps(_mm_cvtsi32_si128(bits));
  return {_mm256_broadcastss_ps(both), _mm256_permutevar8x32_ps(_mm256_castps128_ps256(both), _mm256_set1_epi32(1))};
}
inline F broadcast_half(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  return _mm256_broadcastss_ps(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

}  // namespace
