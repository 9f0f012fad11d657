// The vector operations that the kernel bodies (*_body.h) are written in, for SSE2, which every x86-64 CPU has;
// vector_avx512.h says what each one does. There is no fused multiply-add here: fma rounds twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <emmintrin.h>

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
  const F b = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}
inline void store_sums_of_4(float* out, F s, F t, F u, F v) {
  const __m128 first = _mm_add_ps(_mm_unpacklo_ps(s, t), _mm_unpackhi_ps(s, t));
  const __m128 second = _mm_add_ps(_mm_unpacklo_ps(u, v), _mm_unpackhi_ps(u, v));
  _mm_storeu_ps(out, _mm_add_ps(_mm_movelh_ps(first, second), _mm_movehl_ps(second, first)));
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
inline I shift_right(I a, int n) {
  return _mm_srl_epi32(a, _mm_cvtsi32_si128(n));
}
inline I shift_left_4(I a) {
  return _mm_slli_epi32(a, 4);
}
inline I bit_and(I a, int b) {
  return _mm_and_si128(a, _mm_set1_epi32(b));
}
inline I bit_or(I a, I b) {
  return _mm_or_si128(a, b);
}
inline I bits_to_16(std::uint32_t bits) {
  const I lane_bit = _mm_setr_epi32(1, 2, 4, 8);
  const I chosen = _mm_and_si128(_mm_set1_epi32(static_cast<int>(bits)), lane_bit);
  return _mm_and_si128(_mm_cmpeq_epi32(chosen, lane_bit), _mm_set1_epi32(16));
}

class NibbleTable {
 public:
  NibbleTable(F scale, F shift) : scale_(scale), shift_(shift) {}
  F low(I bytes) const { return fma(scale_, to_float(low_nibbles(bytes)), shift_); }
  F high(I bytes) const { return fma(scale_, to_float(high_nibbles(bytes)), shift_); }

 private:
  F scale_, shift_;
};

class ValueTable {
 public:
  explicit ValueTable(const float* values) : values_(values) {}  // must outlive the table
  F low(I bytes) const { return at(low_nibbles(bytes)); }
  F high(I bytes) const { return at(high_nibbles(bytes)); }

 private:
  F at(I index) const {
    alignas(16) std::int32_t i[4];
    _mm_store_si128(reinterpret_cast<I*>(i), index);
    return _mm_setr_ps(values_[i[0]], values_[i[1]], values_[i[2]], values_[i[3]]);
  }
  const float* values_;
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
