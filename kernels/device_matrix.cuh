// A matrix of parameters in device memory, and what the formats of its bytes are made of (cuda_block_formats.cuh).
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "kernels/params.h"

namespace kvwave::kernels {

/// A matrix in device memory, by value in kernel arguments.
struct DeviceMatrix {
  const unsigned char* plane[3] = {nullptr, nullptr, nullptr};
  ParamType type = ParamType::f32;
  unsigned rows = 0;
  unsigned cols = 0;
  unsigned slices = 0;  ///< of one row
};

namespace {

__device__ __forceinline__ float half_bits(unsigned bits) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(bits)));
}
__device__ __forceinline__ uint4 load_16(const unsigned char* p) {
  return __ldg(reinterpret_cast<const uint4*>(p));
}
__device__ __forceinline__ unsigned load_32(const unsigned char* p) {
  return __ldg(reinterpret_cast<const unsigned*>(p));
}
__device__ __forceinline__ unsigned load_u16(const unsigned char* p) {
  return __ldg(reinterpret_cast<const unsigned short*>(p));
}
__device__ __forceinline__ unsigned word_of(const uint4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}
__device__ __forceinline__ int byte_of(const uint4& v, int i) {
  return static_cast<int>(word_of(v, i / 4) >> (8 * (i % 4)) & 0xffU);
}

/// Byte k of a word, minus `zero`, as a float. The byte becomes the low bits of 2^23's mantissa: two full-rate
/// instructions and exact, where a conversion runs at a fraction of the rate.
__device__ __forceinline__ float byte_value(unsigned word, unsigned k, int zero) {
  return __uint_as_float(__byte_perm(word, 0x4B000000U, 0x7440U + k)) - static_cast<float>(8388608 + zero);
}

template <ParamType>
struct Format;

/// What all quantised types share. A value has up to 24 significant bits, whatever its quant has.
struct QuantFormat {
  static constexpr bool kPlain = false;
  static constexpr unsigned kSignificand = 24;
};

}  // namespace
}  // namespace kvwave::kernels
