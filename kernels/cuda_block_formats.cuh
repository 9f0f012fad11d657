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

#include "kernels/device_matrix.cuh"
#include "kernels/super_block_formats.cuh"

namespace kvwave::kernels {
namespace {

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
