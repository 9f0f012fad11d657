// Matrix times a block of positions over any block format, in terms of one vector_*.h: a panel of a few rows is
// expanded once for all positions, a run of columns at a time, so that it stays in the first cache.
//
// A sum rests in memory between panels as the vector that it is, so every dot product adds in the order of gemv.
#pragma once

#include "kernels/gemv_body.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

constexpr std::size_t kPanelValues = 512;  // of a row: whole blocks of every format
constexpr std::size_t kPanelRows = 8;

/// sums[r][p] += w[r] x[p] lane by lane; neighbouring rows of sums are sums_stride vectors apart.
template <int kRows, int kPositions>
inline void multiply_tile(const float* w, const float* x, std::size_t x_stride, std::size_t n_values, float* sums,
                          std::size_t sums_stride) {
  F total[kRows][kPositions];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPositions; ++p) total[r][p] = load(sums + (r * sums_stride + p) * kWidth);
  }
  for (std::size_t i = 0; i < n_values; i += kWidth) {
    F inputs[kPositions];
#pragma GCC unroll 8
    for (int p = 0; p < kPositions; ++p) inputs[p] = load(x + p * x_stride + i);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const F weight = load(w + r * kPanelValues + i);
#pragma GCC unroll 8
      for (int p = 0; p < kPositions; ++p) total[r][p] = fma(weight, inputs[p], total[r][p]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPositions; ++p) store(sums + (r * sums_stride + p) * kWidth, total[r][p]);
  }
}

template <int kRows>
inline void multiply_rows(const float* w, const float* x, std::size_t x_stride, std::size_t n_positions,
                          std::size_t n_values, float* sums) {
  constexpr std::size_t kTile = kRegisters >= 32 ? 6 : 3;  // 4 rows of so many sums leave registers for the operands
  std::size_t p = 0;
  for (; p + kTile <= n_positions; p += kTile) {
    multiply_tile<kRows, kTile>(w, x + p * x_stride, x_stride, n_values, sums + p * kWidth, n_positions);
  }
  for (; p + 2 <= n_positions; p += 2) {
    multiply_tile<kRows, 2>(w, x + p * x_stride, x_stride, n_values, sums + p * kWidth, n_positions);
  }
  for (; p < n_positions; ++p) {
    multiply_tile<kRows, 1>(w, x + p * x_stride, x_stride, n_values, sums + p * kWidth, n_positions);
  }
}

/// Rows of whole blocks, out[n_values].
template <class Format>
inline void expand(const std::uint8_t* row, std::size_t n_values, float* out) {
  const std::size_t n_blocks = n_values / Format::kValues;
  for (std::size_t b = 0; b < n_blocks; ++b) {
    const std::uint8_t* block = row + b * Format::kBytes;
    typename Format::Header header;
    header.read(block);
    for (int s = 0; s < Format::kValues / kChunk; ++s) {
      F w[kVectors];
      Format::expand(block, header, s, w);
      for (int j = 0; j < kVectors; ++j) store(out + j * kWidth, w[j]);
      out += kChunk;
    }
  }
}

/// `sums` holds kPanelRows vectors for each position.
template <class Format>
void matmul(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* x, std::size_t x_stride,
            std::size_t n_positions, std::size_t n_values, float* out, std::size_t out_stride, float* sums) {
  alignas(64) float panel[kPanelRows * kPanelValues];
  const std::size_t whole = n_values / kChunk * kChunk;
  for (std::size_t first = 0; first < n_rows; first += kPanelRows) {
    const std::uint8_t* begin = rows + first * stride;
    const std::size_t count = n_rows - first < kPanelRows ? n_rows - first : kPanelRows;
    for (std::size_t i = 0; i < count * n_positions; ++i) store(sums + i * kWidth, zero());
    for (std::size_t at = 0; at < whole; at += kPanelValues) {
      const std::size_t n = whole - at < kPanelValues ? whole - at : kPanelValues;
      for (std::size_t r = 0; r < count; ++r) {
        expand<Format>(begin + r * stride + at / Format::kValues * Format::kBytes, n, panel + r * kPanelValues);
      }
      std::size_t r = 0;
      for (; r + 4 <= count; r += 4) {
        multiply_rows<4>(panel + r * kPanelValues, x + at, x_stride, n_positions, n, sums + r * n_positions * kWidth);
      }
      for (; r < count; ++r) {
        multiply_rows<1>(panel + r * kPanelValues, x + at, x_stride, n_positions, n, sums + r * n_positions * kWidth);
      }
    }
    for (std::size_t r = 0; r < count; ++r) {
      float rest[kChunk];
      const std::size_t n_rest =
          Format::kValues > kChunk ? 0
                                   : static_cast<std::size_t>(expand_rest<Format>(begin + r * stride, n_values, rest));
      for (std::size_t p = 0; p < n_positions; ++p) {
        float sum = reduce_add(load(sums + (r * n_positions + p) * kWidth));
        for (std::size_t i = 0; i < n_rest; ++i) sum += rest[i] * x[p * x_stride + whole + i];
        out[p * out_stride + first + r] = sum;
      }
    }
  }
}

}  // namespace
