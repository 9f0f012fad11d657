// binary16 of CUDA on the compiler's own type, which rounds to nearest even.
#pragma once

#include <bit>

#include "sim_language.h"

struct __half {
  _Float16 value;
  __half() = default;
  explicit(false) __half(float v) : value(static_cast<_Float16>(v)) {}
  operator float() const { return static_cast<float>(value); }
};
struct alignas(4) __half2 {
  __half x, y;
};
using half = __half;
using half2 = __half2;

inline __half __float2half(float v) {
  return __half(v);
}
inline __half __float2half_rn(float v) {
  return __half(v);
}
inline float __half2float(__half v) {
  return static_cast<float>(v.value);
}
inline unsigned short __half_as_ushort(__half v) {
  return std::bit_cast<unsigned short>(v.value);
}
inline __half __ushort_as_half(unsigned short bits) {
  __half v;
  v.value = std::bit_cast<_Float16>(bits);
  return v;
}
/// Toward zero.
inline __half __float2half_rz(float v) {
  const __half nearest(v);
  const float back = __half2float(nearest);
  if ((back <= v && v >= 0) || (back >= v && v <= 0) || v != v) return nearest;
  return __ushort_as_half(static_cast<unsigned short>(__half_as_ushort(nearest) - 1));
}
inline __half2 __floats2half2_rn(float a, float b) {
  return {__half(a), __half(b)};
}
inline float2 __half22float2(__half2 v) {
  return {__half2float(v.x), __half2float(v.y)};
}
inline float __low2float(__half2 v) {
  return __half2float(v.x);
}
inline float __high2float(__half2 v) {
  return __half2float(v.y);
}
