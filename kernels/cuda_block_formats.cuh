// Parameters in device memory and how one thread expands them in registers.
//
// A GGUF block mixes small fields with quants, so its quants are rarely aligned. On upload each block is split into
// planes (cuda_matrix.cu): plane 0 holds what is read 16 bytes at a time, the others the small fields. The bytes are
// the file's, only their order changes.
//
// The unit of work is a slice: the values behind one 16-byte load of quants. Neighbouring lanes take neighbouring
// slices, so a warp reads 512 consecutive bytes. expand() gives a slice's values in groups of four; place_of() says to
// which slice and group a column belongs.
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

/// Where the four columns from a multiple of four on lie.
struct SlicePlace {
  unsigned slice = 0;
  unsigned group = 0;
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
__device__ __forceinline__ float load_half(const unsigned char* p) {
  return half_bits(__ldg(reinterpret_cast<const unsigned short*>(p)));
}
__device__ __forceinline__ unsigned word_of(const uint4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}
__device__ __forceinline__ int byte_of(const uint4& v, int i) {
  return static_cast<int>(word_of(v, i / 4) >> (8 * (i % 4)) & 0xffU);
}

/// Formats whose slices hold consecutive columns.
template <unsigned kSliceValues>
struct ConsecutiveSlices {
  static constexpr unsigned kValues = kSliceValues;
  __device__ static SlicePlace place_of(unsigned column) { return {column / kValues, column % kValues / 4}; }
};

template <ParamType>
struct Format;

template <>
struct Format<ParamType::f32> : ConsecutiveSlices<4> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const uint4 raw = load_16(m.plane[0] + (row * m.slices + slice) * 16);
#pragma unroll
    for (int i = 0; i < 4; ++i) w[i] = __uint_as_float(word_of(raw, i));
  }
};

template <>
struct Format<ParamType::f16> : ConsecutiveSlices<8> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const uint4 raw = load_16(m.plane[0] + (row * m.slices + slice) * 16);
#pragma unroll
    for (int i = 0; i < 8; ++i) w[i] = half_bits(word_of(raw, i / 2) >> (16 * (i % 2)) & 0xffffU);
  }
};

template <>
struct Format<ParamType::bf16> : ConsecutiveSlices<8> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const uint4 raw = load_16(m.plane[0] + (row * m.slices + slice) * 16);
#pragma unroll
    for (int i = 0; i < 8; ++i) w[i] = __uint_as_float((word_of(raw, i / 2) >> (16 * (i % 2)) & 0xffffU) << 16);
  }
};

/// Four-bit and five-bit blocks of 32: byte j holds column j and column j + 16. value = scale * quant + shift.
template <bool kFifthBit>
__device__ __forceinline__ void expand_32(const uint4& nibbles, unsigned fifth, int bias, float scale, float shift,
                                          float (&w)[32]) {
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    int low = byte_of(nibbles, j) & 15;
    int high = byte_of(nibbles, j) >> 4;
    if constexpr (kFifthBit) {
      low |= static_cast<int>(fifth >> j & 1U) << 4;
      high |= static_cast<int>(fifth >> (j + 16) & 1U) << 4;
    }
    w[j] = scale * static_cast<float>(low - bias) + shift;
    w[j + 16] = scale * static_cast<float>(high - bias) + shift;
  }
}

template <>
struct Format<ParamType::q4_0> : ConsecutiveSlices<32> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t block = row * m.slices + slice;
    expand_32<false>(load_16(m.plane[0] + block * 16), 0, 8, load_half(m.plane[1] + block * 2), 0, w);
  }
};
template <>
struct Format<ParamType::q4_1> : ConsecutiveSlices<32> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t block = row * m.slices + slice;
    const unsigned pair = load_32(m.plane[1] + block * 4);
    expand_32<false>(load_16(m.plane[0] + block * 16), 0, 0, half_bits(pair & 0xffffU), half_bits(pair >> 16), w);
  }
};
template <>
struct Format<ParamType::q5_0> : ConsecutiveSlices<32> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t block = row * m.slices + slice;
    expand_32<true>(load_16(m.plane[0] + block * 16), load_32(m.plane[1] + block * 4), 16,
                    load_half(m.plane[2] + block * 2), 0, w);
  }
};
template <>
struct Format<ParamType::q5_1> : ConsecutiveSlices<32> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t block = row * m.slices + slice;
    const unsigned pair = load_32(m.plane[2] + block * 4);
    expand_32<true>(load_16(m.plane[0] + block * 16), load_32(m.plane[1] + block * 4), 0, half_bits(pair & 0xffffU),
                    half_bits(pair >> 16), w);
  }
};

template <>
struct Format<ParamType::q8_0> : ConsecutiveSlices<16> {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t at = row * m.slices + slice;  // two slices a block
    const uint4 quants = load_16(m.plane[0] + at * 16);
    const float scale = load_half(m.plane[1] + at / 2 * 2);
#pragma unroll
    for (int j = 0; j < 16; ++j) w[j] = scale * static_cast<float>(static_cast<signed char>(byte_of(quants, j)));
  }
};

/// Scale and minimum of sub-block i of a Q4_K or Q5_K block, out of the 12 bytes after its two halves.
__device__ __forceinline__ float2 sub_block_scales(const uint4& header, int i) {
  const auto at = [&header](int k) { return byte_of(header, 4 + k); };
  const int scale = i < 4 ? at(i) & 63 : (at(i + 4) & 15) | (at(i - 4) >> 6 << 4);
  const int minimum = i < 4 ? at(i + 4) & 63 : at(i + 4) >> 4 | (at(i) >> 6 << 4);
  return make_float2(half_bits(header.x & 0xffffU) * static_cast<float>(scale),
                     half_bits(header.x >> 16) * static_cast<float>(minimum));
}

/// Eight slices a block: 16 bytes hold half of sub-block 2r in their low and half of 2r + 1 in their high nibbles.
struct SuperBlock45 {
  static constexpr unsigned kValues = 32;
  __device__ static SlicePlace place_of(unsigned column) {
    const unsigned in_run = column % 64;
    return {column / 256 * 8 + column % 256 / 64 * 2 + in_run % 32 / 16, in_run % 16 / 4 + in_run / 32 * 4};
  }
  template <bool kFifthBit>
  __device__ static void expand_slice(const unsigned char* block, unsigned piece, float (&w)[kValues]) {
    const int run = static_cast<int>(piece) / 2;
    const uint4 header = load_16(block);
    const uint4 nibbles = load_16(block + (kFifthBit ? 48 : 16) + piece * 16);
    uint4 fifth{};
    if constexpr (kFifthBit) fifth = load_16(block + 16 + piece % 2 * 16);
    const float2 low_scales = sub_block_scales(header, 2 * run);
    const float2 high_scales = sub_block_scales(header, 2 * run + 1);
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      int low = byte_of(nibbles, j) & 15;
      int high = byte_of(nibbles, j) >> 4;
      if constexpr (kFifthBit) {
        low |= (byte_of(fifth, j) >> (2 * run) & 1) << 4;
        high |= (byte_of(fifth, j) >> (2 * run + 1) & 1) << 4;
      }
      w[j] = low_scales.x * static_cast<float>(low) - low_scales.y;
      w[j + 16] = high_scales.x * static_cast<float>(high) - high_scales.y;
    }
  }
};
template <>
struct Format<ParamType::q4_k> : SuperBlock45 {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    expand_slice<false>(m.plane[0] + (row * (m.slices / 8) + slice / 8) * 144, slice % 8, w);
  }
};
template <>
struct Format<ParamType::q5_k> : SuperBlock45 {
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    expand_slice<true>(m.plane[0] + (row * (m.slices / 8) + slice / 8) * 176, slice % 8, w);
  }
};

/// Eight slices a block: 16 bytes of low bits serve 16 columns of quarter `odd` and 16 of quarter odd + 2.
template <>
struct Format<ParamType::q6_k> {
  static constexpr unsigned kValues = 32;
  __device__ static SlicePlace place_of(unsigned column) {
    const unsigned in_half = column % 128;
    const unsigned quarter = in_half / 32;
    return {column / 256 * 8 + column % 256 / 128 * 4 + quarter % 2 * 2 + in_half % 32 / 16,
            in_half % 16 / 4 + quarter / 2 * 4};
  }
  __device__ static void expand(const DeviceMatrix& m, std::size_t row, unsigned slice, float (&w)[kValues]) {
    const std::size_t index = row * (m.slices / 8) + slice / 8;
    const unsigned char* block = m.plane[0] + index * 208;
    const unsigned piece = slice % 8;
    const unsigned half = piece / 4;
    const unsigned odd = piece % 4 / 2;
    const unsigned part = piece % 2;
    const uint4 low = load_16(block + piece * 16);
    const uint4 high = load_16(block + 128 + 32 * half + 16 * part);
    const uint4 scales = load_16(block + 192);
    const float scale = load_half(m.plane[1] + index * 2);
    const auto sub_scale = [&](unsigned quarter) {
      const int at = static_cast<int>(8 * half + 2 * quarter + part);
      return scale * static_cast<float>(static_cast<signed char>(byte_of(scales, at)));
    };
    const float first = sub_scale(odd);
    const float second = sub_scale(odd + 2);
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      const int bits = byte_of(high, j);
      const int a = (byte_of(low, j) & 15) | ((bits >> (2 * odd) & 3) << 4);
      const int b = byte_of(low, j) >> 4 | ((bits >> (2 * odd + 4) & 3) << 4);
      w[j] = first * static_cast<float>(a - 32);
      w[j + 16] = second * static_cast<float>(b - 32);
    }
  }
};

}  // namespace
}  // namespace kvwave::kernels
