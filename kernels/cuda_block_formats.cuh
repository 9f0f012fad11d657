// Parameters in device memory and how one thread expands them in registers.
//
// A GGUF block mixes small fields with quants, so its quants are rarely aligned. On upload each block is split into
// planes (cuda_matrix.cu): plane 0 holds what is read 16 bytes at a time, the others the small fields. The bytes are
// the file's, only their order changes.
//
// The unit of work is a slice: the values behind one 16-byte load of quants. Neighbouring lanes take neighbouring
// slices, so a warp reads 512 consecutive bytes. Format<type> says for a slice
//   load():      its bytes, in registers (issued early, used late)
//   quants():    its quants as floats, exact small integers (plain types: the values)
//   scales():    value = scale[h] * quant + shift[h], h = 0 for the first half of the slice and 1 for the second
//   column_of(): the first of the four consecutive columns that group g of the slice holds.
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

/// Plain values: no quants, no scales; slices hold consecutive columns.
template <unsigned kSliceValues>
struct PlainFormat {
  static constexpr bool kPlain = true, kShifted = false;
  static constexpr unsigned kValues = kSliceValues;
  using Raw = uint4;
  __device__ static const unsigned char* row_start(const DeviceMatrix& m, std::size_t row) {
    return m.plane[0] + row * m.slices * 16;
  }
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    return load_16(m.plane[0] + (row * m.slices + slice) * 16);
  }
  __device__ static unsigned column_of(unsigned slice, unsigned group) { return slice * kValues + 4 * group; }
  __device__ static void scales(const Raw&, unsigned, float (&)[2], float (&)[2]) {}
};

template <ParamType>
struct Format;

template <>
struct Format<ParamType::f32> : PlainFormat<4> {
  static constexpr unsigned kSignificand = 24;
  __device__ static void quants(const Raw& raw, unsigned, float (&w)[kValues]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) w[i] = __uint_as_float(word_of(raw, i));
  }
};

template <>
struct Format<ParamType::f16> : PlainFormat<8> {
  static constexpr unsigned kSignificand = 11;
  __device__ static void quants(const Raw& raw, unsigned, float (&w)[kValues]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) w[i] = half_bits(word_of(raw, i / 2) >> (16 * (i % 2)) & 0xffffU);
  }
};

template <>
struct Format<ParamType::bf16> : PlainFormat<8> {
  static constexpr unsigned kSignificand = 8;
  __device__ static void quants(const Raw& raw, unsigned, float (&w)[kValues]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      w[2 * i] = __uint_as_float(word_of(raw, i) << 16);
      w[2 * i + 1] = __uint_as_float(word_of(raw, i) & 0xffff0000U);
    }
  }
};

/// What all quantised types share. A value has up to 24 significant bits, whatever its quant has.
struct QuantFormat {
  static constexpr bool kPlain = false;
  static constexpr unsigned kSignificand = 24;
};

/// Blocks of 32 values in one slice: byte j holds column j and column j + 16.
struct Block32 : QuantFormat {
  static constexpr unsigned kValues = 32;
  struct Raw {
    uint4 nibbles;
    unsigned fifth, scale;  // the fifth bits; one or two halves
  };
  __device__ static const unsigned char* row_start(const DeviceMatrix& m, std::size_t row) {
    return m.plane[0] + row * m.slices * 16;
  }
  __device__ static unsigned column_of(unsigned slice, unsigned group) { return slice * kValues + 4 * group; }
  template <bool kFifth>
  __device__ static void expand(const Raw& raw, int zero, float (&q)[kValues]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unsigned low = word_of(raw.nibbles, i) & 0x0f0f0f0fU;
      unsigned high = word_of(raw.nibbles, i) >> 4 & 0x0f0f0f0fU;
      if constexpr (kFifth) {  // four bits to the fifth bit of four bytes
        low |= ((raw.fifth >> (4 * i) & 15U) * 0x00204081U & 0x01010101U) << 4;
        high |= ((raw.fifth >> (4 * i + 16) & 15U) * 0x00204081U & 0x01010101U) << 4;
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        q[4 * i + k] = byte_value(low, k, zero);
        q[4 * i + k + 16] = byte_value(high, k, zero);
      }
    }
  }
  __device__ static void same_scale(float value, float (&scale)[2]) {
    scale[0] = scale[1] = value;
  }
};

template <>
struct Format<ParamType::q4_0> : Block32 {
  static constexpr bool kShifted = false;
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t block = row * m.slices + slice;
    return {load_16(m.plane[0] + block * 16), 0, load_u16(m.plane[1] + block * 2)};
  }
  __device__ static void quants(const Raw& raw, unsigned, float (&q)[kValues]) { expand<false>(raw, 8, q); }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&)[2]) {
    same_scale(half_bits(raw.scale), scale);
  }
};
template <>
struct Format<ParamType::q4_1> : Block32 {
  static constexpr bool kShifted = true;
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t block = row * m.slices + slice;
    return {load_16(m.plane[0] + block * 16), 0, load_32(m.plane[1] + block * 4)};
  }
  __device__ static void quants(const Raw& raw, unsigned, float (&q)[kValues]) { expand<false>(raw, 0, q); }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&shift)[2]) {
    same_scale(half_bits(raw.scale & 0xffffU), scale);
    same_scale(half_bits(raw.scale >> 16), shift);
  }
};
template <>
struct Format<ParamType::q5_0> : Block32 {
  static constexpr bool kShifted = false;
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t block = row * m.slices + slice;
    return {load_16(m.plane[0] + block * 16), load_32(m.plane[1] + block * 4), load_u16(m.plane[2] + block * 2)};
  }
  __device__ static void quants(const Raw& raw, unsigned, float (&q)[kValues]) { expand<true>(raw, 16, q); }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&)[2]) {
    same_scale(half_bits(raw.scale), scale);
  }
};
template <>
struct Format<ParamType::q5_1> : Block32 {
  static constexpr bool kShifted = true;
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t block = row * m.slices + slice;
    return {load_16(m.plane[0] + block * 16), load_32(m.plane[1] + block * 4), load_32(m.plane[2] + block * 4)};
  }
  __device__ static void quants(const Raw& raw, unsigned, float (&q)[kValues]) { expand<true>(raw, 0, q); }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&shift)[2]) {
    same_scale(half_bits(raw.scale & 0xffffU), scale);
    same_scale(half_bits(raw.scale >> 16), shift);
  }
};

/// Two slices a block, one scale for both.
template <>
struct Format<ParamType::q8_0> : QuantFormat {
  static constexpr bool kShifted = false;
  static constexpr unsigned kValues = 16;
  struct Raw {
    uint4 quants;
    unsigned scale;
  };
  __device__ static const unsigned char* row_start(const DeviceMatrix& m, std::size_t row) {
    return m.plane[0] + row * m.slices * 16;
  }
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t at = row * m.slices + slice;
    return {load_16(m.plane[0] + at * 16), load_u16(m.plane[1] + at / 2 * 2)};
  }
  __device__ static unsigned column_of(unsigned slice, unsigned group) { return slice * kValues + 4 * group; }
  __device__ static void quants(const Raw& raw, unsigned, float (&q)[kValues]) {
#pragma unroll
    for (int j = 0; j < 16; ++j) q[j] = byte_value(word_of(raw.quants, j / 4) ^ 0x80808080U, j % 4, 128);
  }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&)[2]) {
    scale[0] = scale[1] = half_bits(raw.scale);
  }
};

/// Eight slices a block of 256: 16 bytes hold half of sub-block 2r in their low and half of 2r + 1 in their high
/// nibbles.
template <bool kFifth>
struct SuperBlock45 : QuantFormat {
  static constexpr bool kShifted = true;
  static constexpr unsigned kValues = 32;
  static constexpr unsigned kBlockBytes = kFifth ? 176 : 144;
  struct Raw {
    uint4 header, nibbles, fifth;
  };
  __device__ static const unsigned char* row_start(const DeviceMatrix& m, std::size_t row) {
    return m.plane[0] + row * (m.slices / 8) * kBlockBytes;
  }
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const unsigned char* block = m.plane[0] + (row * (m.slices / 8) + slice / 8) * kBlockBytes;
    Raw raw{load_16(block), load_16(block + (kFifth ? 48 : 16) + slice % 8 * 16), {}};
    if constexpr (kFifth) raw.fifth = load_16(block + 16 + slice % 2 * 16);
    return raw;
  }
  __device__ static unsigned column_of(unsigned slice, unsigned group) {
    return slice / 8 * 256 + slice % 8 / 2 * 64 + group / 4 * 32 + slice % 2 * 16 + group % 4 * 4;
  }
  __device__ static void quants(const Raw& raw, unsigned slice, float (&q)[kValues]) {
    const unsigned run = slice % 8 / 2;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unsigned low = word_of(raw.nibbles, i) & 0x0f0f0f0fU;
      unsigned high = word_of(raw.nibbles, i) >> 4 & 0x0f0f0f0fU;
      if constexpr (kFifth) {
        low |= (word_of(raw.fifth, i) >> (2 * run) & 0x01010101U) << 4;
        high |= (word_of(raw.fifth, i) >> (2 * run + 1) & 0x01010101U) << 4;
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        q[4 * i + k] = byte_value(low, k, 0);
        q[4 * i + k + 16] = byte_value(high, k, 0);
      }
    }
  }
  /// The 12 bytes behind the two halves hold eight scales and eight minima of six bits: the first four of each in one
  /// byte, the others in a nibble and the top bits of the first ones.
  __device__ static void scales(const Raw& raw, unsigned slice, float (&scale)[2], float (&shift)[2]) {
    const unsigned run = slice % 8 / 2;
    const unsigned at = run % 2 * 16;  // bit of the first of the run's two bytes in each word
    const unsigned a = raw.header.y >> at, b = raw.header.z >> at, c = raw.header.w >> at;
    const unsigned s = run < 2 ? a & 0x3f3fU : (c & 0x0f0fU) | (a >> 2 & 0x3030U);
    const unsigned m = run < 2 ? b & 0x3f3fU : (c >> 4 & 0x0f0fU) | (b >> 2 & 0x3030U);
    const float d = half_bits(raw.header.x & 0xffffU), d_min = half_bits(raw.header.x >> 16);
#pragma unroll
    for (unsigned h = 0; h < 2; ++h) {
      scale[h] = d * byte_value(s, h, 0);
      shift[h] = -(d_min * byte_value(m, h, 0));
    }
  }
};
template <>
struct Format<ParamType::q4_k> : SuperBlock45<false> {};
template <>
struct Format<ParamType::q5_k> : SuperBlock45<true> {};

/// Eight slices a block of 256: 16 bytes of low bits serve 16 columns of quarter `odd` and 16 of quarter odd + 2 of a
/// half.
template <>
struct Format<ParamType::q6_k> : QuantFormat {
  static constexpr bool kShifted = false;
  static constexpr unsigned kValues = 32;
  struct Raw {
    uint4 low, high;
    unsigned scales, d;  // two int8
  };
  __device__ static const unsigned char* row_start(const DeviceMatrix& m, std::size_t row) {
    return m.plane[0] + row * (m.slices / 8) * 208;
  }
  __device__ static Raw load(const DeviceMatrix& m, std::size_t row, unsigned slice) {
    const std::size_t index = row * (m.slices / 8) + slice / 8;
    const unsigned char* block = m.plane[0] + index * 208;
    const unsigned piece = slice % 8, half = piece / 4, odd = piece % 4 / 2, part = piece % 2;
    const unsigned char* scale = block + 192 + 8 * half + 2 * odd + part;
    return {load_16(block + piece * 16), load_16(block + 128 + 32 * half + 16 * part),
            __ldg(scale) | static_cast<unsigned>(__ldg(scale + 4)) << 8, load_u16(m.plane[1] + index * 2)};
  }
  __device__ static unsigned column_of(unsigned slice, unsigned group) {
    const unsigned piece = slice % 8;
    return slice / 8 * 256 + piece / 4 * 128 + (piece % 4 / 2 + group / 4 * 2) * 32 + piece % 2 * 16 + group % 4 * 4;
  }
  __device__ static void quants(const Raw& raw, unsigned slice, float (&q)[kValues]) {
    const unsigned odd = slice % 4 / 2;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const unsigned bits = word_of(raw.high, i) >> (2 * odd);
      const unsigned first = (word_of(raw.low, i) & 0x0f0f0f0fU) | (bits & 0x03030303U) << 4;
      const unsigned second = (word_of(raw.low, i) >> 4 & 0x0f0f0f0fU) | (bits & 0x30303030U);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        q[4 * i + k] = byte_value(first, k, 32);
        q[4 * i + k + 16] = byte_value(second, k, 32);
      }
    }
  }
  __device__ static void scales(const Raw& raw, unsigned, float (&scale)[2], float (&)[2]) {
    const float d = half_bits(raw.d);
    scale[0] = d * byte_value(raw.scales ^ 0x8080U, 0, 128);
    scale[1] = d * byte_value(raw.scales ^ 0x8080U, 1, 128);
  }
};

/// The values of a slice.
template <ParamType kType>
__device__ __forceinline__ void expand_slice(const DeviceMatrix& m, std::size_t row, unsigned slice,
                                             float (&w)[Format<kType>::kValues]) {
  using F = Format<kType>;
  const auto raw = F::load(m, row, slice);
  F::quants(raw, slice, w);
  if constexpr (!F::kPlain) {
    float scale[2], shift[2] = {0, 0};
    F::scales(raw, slice, scale, shift);
#pragma unroll
    for (unsigned i = 0; i < F::kValues; ++i) {
      const unsigned h = i / 16;
      w[i] = F::kShifted ? scale[h] * w[i] + shift[h] : scale[h] * w[i];
    }
  }
}

}  // namespace
}  // namespace kvwave::kernels
