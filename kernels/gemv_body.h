// Matrix times vector over any block format, in terms of one vector_*.h.
//
// Every dot product adds in the same order here and in gemm_body.h: one vector accumulator over the whole chunks of 32
// values, its lanes folded once, then the values left over one by one. Only so is a block of positions equal to single
// positions, bit by bit.
#pragma once

#include "kernels/block_formats_body.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

// Makes the compiler read an object's members from memory. A factor is read into all lanes at once there; left to
// itself, GCC keeps them in registers and moves each across lanes, which takes three times as long.
template <class T>
inline void keep_in_memory(T& object) {
  asm("" : "+m"(object));
}

template <class Format, int kRows>
inline void gemv_row_group(const std::uint8_t* rows, std::size_t stride, const float* x, std::size_t n_blocks,
                           float* out) {
  F sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = zero();
  for (std::size_t b = 0; b < n_blocks; ++b) {
    const std::uint8_t* block = rows + b * Format::kBytes;
    // The rows of a group are read side by side in short runs, which the CPU's own prefetchers do not follow well: ask
    // for the next group's bytes in the order they lie in memory.
    const std::uint8_t* ahead = rows + kRows * (stride + b * Format::kBytes);
    for (int i = 0; i < kRows * Format::kBytes; i += 64) prefetch(ahead + i);
    typename Format::Header headers[kRows];
    for (int r = 0; r < kRows; ++r) headers[r].read(block + r * stride);
    keep_in_memory(headers);
#pragma GCC unroll 8
    for (int s = 0; s < Format::kValues / kChunk; ++s) {
      F inputs[kVectors];
      for (int j = 0; j < kVectors; ++j) inputs[j] = load(x + j * kWidth);
      x += kChunk;
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        F w[kVectors];
        Format::expand(block + r * stride, headers[r], s, w);
        for (int j = 0; j < kVectors; ++j) sums[r] = fma(w[j], inputs[j], sums[r]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) out[r] = reduce_add(sums[r]);
}

// The last values of a row of a format without blocks, as fp32.
template <class Format>
inline int expand_rest(const std::uint8_t* row, std::size_t n_values, float* rest) {
  const int n_rest = static_cast<int>(n_values % kChunk);
  if (n_rest == 0) return 0;
  constexpr int kValueBytes = Format::kBytes / Format::kValues;
  alignas(64) std::uint8_t padded[Format::kBytes] = {};
  __builtin_memcpy(padded, row + (n_values - n_rest) * kValueBytes, static_cast<std::size_t>(n_rest) * kValueBytes);
  F w[kVectors];
  typename Format::Header header;
  header.read(padded);
  Format::expand(padded, header, 0, w);
  for (int j = 0; j < kVectors; ++j) store(rest + j * kWidth, w[j]);
  return n_rest;
}

template <class Format>
void gemv(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* x, std::size_t n_values,
          float* out) {
  constexpr int kGroup = 4;  // hides the latency of the additions and loads each x once for all
  const std::size_t n_blocks = n_values / Format::kValues;
  std::size_t r = 0;
  for (; r + kGroup <= n_rows; r += kGroup) {
    gemv_row_group<Format, kGroup>(rows + r * stride, stride, x, n_blocks, out + r);
  }
  for (; r < n_rows; ++r) gemv_row_group<Format, 1>(rows + r * stride, stride, x, n_blocks, out + r);
  if (Format::kValues > kChunk || n_values % kChunk == 0) return;
  for (r = 0; r < n_rows; ++r) {
    float rest[kChunk];
    const int n_rest = expand_rest<Format>(rows + r * stride, n_values, rest);
    for (int i = 0; i < n_rest; ++i) out[r] += rest[i] * x[n_values - n_rest + i];
  }
}

}  // namespace
