// Sixteen bytes in one register, for the vector_*.h whose Bytes is no wider (SSE2).
#pragma once

#include <cstdint>
#include <emmintrin.h>

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

using Bytes = __m128i;

inline Bytes load_16_bytes(const std::uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
// Each byte shifted by n bits, to the left if n is negative; the mask must clear what came from its neighbour.
inline Bytes shift_right_and(Bytes a, int n, int mask) {
  const Bytes shifted = n > 0 ? _mm_srli_epi16(a, n) : n < 0 ? _mm_slli_epi16(a, -n) : a;
  return _mm_and_si128(shifted, _mm_set1_epi8(static_cast<char>(mask)));
}
inline Bytes bit_or(Bytes a, Bytes b) {
  return _mm_or_si128(a, b);
}

}  // namespace
