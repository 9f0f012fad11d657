// What the four lanes of a register add up to, in the one order that every vector_*.h ends with (SSE2).
#pragma once

#include <emmintrin.h>

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

inline float add_lanes(__m128 a) {
  const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}
// out[i] = add_lanes() of the i-th, with the same additions.
inline void store_lane_sums(float* out, __m128 s, __m128 t, __m128 u, __m128 v) {
  const __m128 first = _mm_add_ps(_mm_unpacklo_ps(s, t), _mm_unpackhi_ps(s, t));
  const __m128 second = _mm_add_ps(_mm_unpacklo_ps(u, v), _mm_unpackhi_ps(u, v));
  _mm_storeu_ps(out, _mm_add_ps(_mm_movelh_ps(first, second), _mm_movehl_ps(second, first)));
}

}  // namespace
