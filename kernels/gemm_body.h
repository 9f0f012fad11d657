// Matrix times a block of positions over any block format, in terms of one vector_*.h: a panel of a few rows is
// expanded once for all positions, a run of columns at a time, so that it stays in the first cache beside a tile of
// positions. Positions come packed in tiles (gemv.h), which lie in memory in the order they are read.
//
// A sum rests in memory between panels as the vector that it is, so every dot product adds in the order of gemv.
#pragma once

#include "kernels/gemv_body.h"
#include "kernels/simd_kernels.h"

namespace {  // NOLINT(google-build-namespaces): one copy per instruction set

using kvwave::kernels::kTilePositions;
using kvwave::kernels::kTileRun;

constexpr std::size_t kPanelValues = 640;               // of a row at most; with a tile three quarters of a first cache
constexpr std::size_t kPanelPitch = kPanelValues + 16;  // neighbouring rows begin in different sets of it
constexpr std::size_t kPanelRows = 8;
constexpr std::size_t kGroupRows = kvwave::kernels::kMatmulRows;

/// Adds w[r] x[p] lane by lane to the sums of kRows rows and of all positions of kTiles tiles. Sums begin at zero in
/// the `first` run of columns of a row and rest in memory until the next.
template <int kRows, int kTiles>
inline void multiply_tile(const float* w, const float* x, std::size_t tile_stride, std::size_t n_values, bool first,
                          float* sums) {
  constexpr std::size_t kPositions = kTiles * kTilePositions;
  F total[kPositions][kRows];
  for (std::size_t p = 0; p < kPositions; ++p) {
    for (int r = 0; r < kRows; ++r) total[p][r] = first ? zero() : load(sums + (p * kPanelRows + r) * kWidth);
  }
  for (std::size_t i = 0; i < n_values; i += kTileRun) {
    const float* run = x + i * kTilePositions;
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kTileRun; v += kWidth) {
      F inputs[kPositions];
#pragma GCC unroll 8
      for (std::size_t p = 0; p < kPositions; ++p)
        inputs[p] = load(run + p / kTilePositions * tile_stride + p % kTilePositions * kTileRun + v);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const F weight = load(w + r * kPanelPitch + i + v);
#pragma GCC unroll 8
        for (std::size_t p = 0; p < kPositions; ++p) total[p][r] = fma(weight, inputs[p], total[p][r]);
      }
    }
  }
  for (std::size_t p = 0; p < kPositions; ++p) {
    for (int r = 0; r < kRows; ++r) store(sums + (p * kPanelRows + r) * kWidth, total[p][r]);
  }
}

/// All rows of a panel with kTiles tiles, which all stay in the first cache meanwhile.
template <int kTiles>
inline void multiply_tiles(const float* panel, std::size_t n_rows, const float* x, std::size_t tile_stride,
                           std::size_t n_values, bool first, float* sums) {
  std::size_t r = 0;
  for (; r + 4 <= n_rows; r += 4)
    multiply_tile<4, kTiles>(panel + r * kPanelPitch, x, tile_stride, n_values, first, sums + r * kWidth);
  for (; r < n_rows; ++r)
    multiply_tile<1, kTiles>(panel + r * kPanelPitch, x, tile_stride, n_values, first, sums + r * kWidth);
}

void multiply_panel(const float* panel, std::size_t n_rows, const float* x, std::size_t tile_stride,
                    std::size_t n_positions, std::size_t n_values, bool first, float* sums) {
  constexpr int kTiles = kRegisters >= 32 ? 2 : 1;  // 4 rows of so many sums leave registers for the operands
  for (std::size_t p = 0; p < n_positions; p += kTilePositions) {
    const float* tile = x + p / kTilePositions * tile_stride;
    float* tile_sums = sums + p * kPanelRows * kWidth;
    if (n_positions - p > (kTiles - 1) * kTilePositions) {
      multiply_tiles<kTiles>(panel, n_rows, tile, tile_stride, n_values, first, tile_sums);
      p += (kTiles - 1) * kTilePositions;
    } else {
      multiply_tiles<1>(panel, n_rows, tile, tile_stride, n_values, first, tile_sums);
    }
  }
}

/// out[p * out_stride + r] = what the lanes of a panel's sums add up to.
void add_lanes_of_panel(const float* sums, std::size_t n_rows, std::size_t n_positions, float* out,
                        std::size_t out_stride) {
  const auto sum = [sums](std::size_t p, std::size_t r) { return load(sums + (p * kPanelRows + r) * kWidth); };
  for (std::size_t p = 0; p < n_positions; ++p) {
    float* to = out + p * out_stride;
    std::size_t r = 0;
    for (; r + 4 <= n_rows; r += 4) store_sums_of_4(to + r, sum(p, r), sum(p, r + 1), sum(p, r + 2), sum(p, r + 3));
    for (; r < n_rows; ++r) to[r] = reduce_add(sum(p, r));
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

/// Groups of rows whose sums rest together, so that a run of columns of all positions is read again from the second
/// cache for each panel. `tiles` are x packed; `resting` holds kGroupRows vectors for each position of them.
template <class Format>
void matmul(const std::uint8_t* rows, std::size_t stride, std::size_t n_rows, const float* tiles, const float* x,
            std::size_t x_stride, std::size_t n_positions, std::size_t n_values, float* out, std::size_t out_stride,
            float* resting) {
  alignas(64) float panel[kPanelRows * kPanelPitch];
  constexpr std::size_t kStep = Format::kValues > kChunk ? Format::kValues : kChunk;
  constexpr std::size_t kLongest = kPanelValues / kStep * kStep;
  const std::size_t whole = n_values / kChunk * kChunk;
  const std::size_t n_runs = whole > 0 ? (whole + kLongest - 1) / kLongest : 1;
  const std::size_t run = ((whole + n_runs - 1) / n_runs + kStep - 1) / kStep * kStep;  // about equal ones
  const std::size_t tile_stride = n_values / kTileRun * kTileRun * kTilePositions;
  const std::size_t panel_sums =
      (n_positions + kTilePositions - 1) / kTilePositions * kTilePositions * kPanelRows * kWidth;
  for (std::size_t group = 0; group < n_rows; group += kGroupRows) {
    const std::size_t group_end = n_rows - group < kGroupRows ? n_rows : group + kGroupRows;
    for (std::size_t k = 0; k < n_runs; ++k) {
      const std::size_t at = k * run, n = whole - at < run ? whole - at : run;
      float* sums = resting;
      for (std::size_t first = group; first < group_end; first += kPanelRows, sums += panel_sums) {
        const std::size_t count = group_end - first < kPanelRows ? group_end - first : kPanelRows;
        for (std::size_t r = 0; r < count; ++r) {
          expand<Format>(rows + (first + r) * stride + at / Format::kValues * Format::kBytes, n,
                         panel + r * kPanelPitch);
        }
        multiply_panel(panel, count, tiles + at * kTilePositions, tile_stride, n_positions, n, k == 0, sums);
        if (k + 1 == n_runs) add_lanes_of_panel(sums, count, n_positions, out + first, out_stride);
      }
    }
  }
  if (Format::kValues > kChunk || whole == n_values) return;
  for (std::size_t r = 0; r < n_rows; ++r) {
    float rest[kChunk];
    const std::size_t n_rest = static_cast<std::size_t>(expand_rest<Format>(rows + r * stride, n_values, rest));
    for (std::size_t p = 0; p < n_positions; ++p) {
      float sum = out[p * out_stride + r];
      for (std::size_t i = 0; i < n_rest; ++i) sum += rest[i] * x[p * x_stride + whole + i];
      out[p * out_stride + r] = sum;
    }
  }
}

}  // namespace
