// Formats of the blocks of 256 values: Q4_K, Q5_K and Q6_K. See cuda_block_formats.cuh.
#pragma once

#include "kernels/device_matrix.cuh"

namespace kvwave::kernels {
namespace {

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

}  // namespace
}  // namespace kvwave::kernels
