// The vector operations that the kernel bodies (*_body.h) are written in, for SSE2, which every x86-64 CPU has;
// vector_avx512.h and bytes_128.h say what each one does. There is no fused multiply-add here: fma rounds twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <emmintrin.h>

#include "kernels/bytes_128.h"
#include "kernels/lane_sums_128.h"

namespace {  // NOLINT(google-build-namespaces): as in the wide files

using F = __m128;
using I = __m128i;
constexpr int kWidth = 4;
constexpr int kRegisters = 16;

inline void prefetch(const std::uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}
inline F zero() {
  return _mm_setzero_ps();
}
inline F set1(float a) {
  return _mm_set1_ps(a);
}
inline F load(const float* p) {
  return _mm_loadu_ps(p);
}
// Halves in the low 16 bits of each lane.
inline F half_to_float(I half) {
  const I magnitude = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x7fff)), 13);
  // The product moves the exponent to its place and is exact for subnormal halves too.
  const F finite = _mm_mul_ps(_mm_castsi128_ps(magnitude), set1(0x1p112F));
  const I special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f7fffff));  // infinity and NaN
  const I exponent = _mm_and_si128(special, _mm_set1_epi32(0x7f800000));
  const I sign = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x8000)), 16);
  return _mm_or_ps(finite, _mm_castsi128_ps(_mm_or_si128(exponent, sign)));
}
inline F load_f16(const std::uint16_t* p) {
  return half_to_float(_mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128()));
}
inline F load_bf16(const std::uint16_t* p) {
  return _mm_castsi128_ps(
      _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void store(float* p, F a) {
  _mm_storeu_ps(p, a);
}
inline F add(F a, F b) {
  return _mm_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm_add_ps(_mm_mul_ps(a, b), c);
}
inline F max(F a, F b) {
  return _mm_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm_min_ps(a, b);
}

inline float reduce_add(F a) {
  return add_lanes(a);
}
inline void store_sums_of_4(float* out, F s, F t, F u, F v) {
  store_lane_sums(out, s, t, u, v);
}
inline float reduce_max(F a) {
  const F b = _mm_max_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
}
inline F keep_unless_below(F a, F x, float bound) {
  return _mm_and_ps(a, _mm_cmpnlt_ps(x, set1(bound)));
}
inline F times_power_of_2(F a, F n) {
  const I exponent = _mm_slli_epi32(_mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127)), 23);
  return mul(a, _mm_castsi128_ps(exponent));
}
// For |a| < 2^31. Conversion rounds to nearest even, the CPU's default.
inline F round_to_integer(F a) {
  return _mm_cvtepi32_ps(_mm_cvtps_epi32(a));
}

inline F to_float(I a) {
  return _mm_cvtepi32_ps(a);
}
inline I load_4_bytes(const std::uint8_t* p) {
  std::int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return _mm_cvtsi32_si128(bits);
}
inline I load_bytes(const std::uint8_t* p) {
  const I none = _mm_setzero_si128();
  return _mm_unpacklo_epi16(_mm_unpacklo_epi8(load_4_bytes(p), none), none);
}
inline I load_signed_bytes(const std::uint8_t* p) {
  const I none = _mm_setzero_si128();
  return _mm_srai_epi32(_mm_unpacklo_epi16(none, _mm_unpacklo_epi8(none, load_4_bytes(p))), 24);
}
inline I low_nibbles(I bytes) {
  return _mm_and_si128(bytes, _mm_set1_epi32(15));
}
inline I high_nibbles(I bytes) {
  return _mm_srli_epi32(bytes, 4);
}
inline Bytes look_up(const std::int8_t* table, Bytes index) {
  alignas(16) std::uint8_t i[16];
  alignas(16) std::int8_t value[16];
  _mm_store_si128(reinterpret_cast<Bytes*>(i), index);
  for (int k = 0; k < 16; ++k) value[k] = table[i[k]];
  return _mm_load_si128(reinterpret_cast<const Bytes*>(value));
}
inline Bytes bits_to_16(const std::uint8_t* bits) {
  std::uint16_t both;
  __builtin_memcpy(&both, bits, 2);
  const __m128i twice = _mm_unpacklo_epi8(_mm_cvtsi32_si128(both), _mm_cvtsi32_si128(both));
  const __m128i bytes = _mm_shuffle_epi32(_mm_unpacklo_epi16(twice, twice), 0x50);  // eight times one and the other
  const __m128i byte_bit = _mm_set1_epi64x(static_cast<long long>(0x8040201008040201));
  return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(bytes, byte_bit), byte_bit), _mm_set1_epi8(16));
}
inline void to_floats(Bytes a, F* w) {
  const __m128i none = _mm_setzero_si128();
  const __m128i low = _mm_unpacklo_epi8(a, none), high = _mm_unpackhi_epi8(a, none);
  w[0] = to_float(_mm_unpacklo_epi16(low, none));
  w[1] = to_float(_mm_unpackhi_epi16(low, none));
  w[2] = to_float(_mm_unpacklo_epi16(high, none));
  w[3] = to_float(_mm_unpackhi_epi16(high, none));
}
inline void signed_to_floats(Bytes a, F* w) {
  const __m128i none = _mm_setzero_si128();
  const __m128i low = _mm_unpacklo_epi8(none, a), high = _mm_unpackhi_epi8(none, a);
  w[0] = to_float(_mm_srai_epi32(_mm_unpacklo_epi16(none, low), 24));
  w[1] = to_float(_mm_srai_epi32(_mm_unpackhi_epi16(none, low), 24));
  w[2] = to_float(_mm_srai_epi32(_mm_unpacklo_epi16(none, high), 24));
  w[3] = to_float(_mm_srai_epi32(_mm_unpackhi_epi16(none, high), 24));
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
  const F both = half_to_float(_mm_unpacklo_epi16(load_4_bytes(p), _mm_setzero_si128()));
  return {_mm_shuffle_ps(both, both, 0x00), _mm_shuffle_ps(both, both, 0x55)};
}
inline F broadcast_half(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  const F value = half_to_float(_mm_cvtsi32_si128(bits));
  return _mm_shuffle_ps(value, value, 0);
}

}  // namespace
