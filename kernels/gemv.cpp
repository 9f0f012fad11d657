#include "kernels/gemv.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/simd_kernels.h"

namespace kvwave::kernels {

namespace {

static_assert(kFormatCount == kParamTypeCount);

const std::uint8_t* row_data(const ParamMatrix& w, std::uint32_t row) {
  return reinterpret_cast<const std::uint8_t*>(w.row(row));
}

std::size_t n_tiles(std::size_t n_positions) {
  return (n_positions + kTilePositions - 1) / kTilePositions;
}

}  // namespace

void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out) {
  assert(x.size() == w.cols && first_row + out.size() <= w.rows);
  simd_kernels().gemv[static_cast<std::size_t>(w.type)](row_data(w, first_row), w.row_stride(), out.size(), x.data(),
                                                        w.cols, out.data());
}

void ActivationTiles::begin(const Activations& x, std::size_t cols) {
  assert(x.stride >= cols);
  x_ = x;
  cols_ = cols;
  const std::size_t n_values = activation_tile_values(x.n_positions, cols);
  if (values_.size() < n_values) values_.resize(n_values);
}

std::size_t ActivationTiles::count() const {
  return n_tiles(x_.n_positions);
}

std::size_t ActivationTiles::tile_values() const {
  return kTilePositions * (cols_ / kTileRun * kTileRun);
}

void ActivationTiles::fill(std::size_t tile) {
  for (std::size_t p = 0; p < kTilePositions; ++p) {
    float* out = values_.data() + tile * tile_values() + p * kTileRun;
    const std::size_t position = std::min(tile * kTilePositions + p, x_.n_positions - 1);  // padding is read, not used
    const float* in = x_.data + position * x_.stride;
    for (std::size_t i = 0; i + kTileRun <= cols_; i += kTileRun)
      std::memcpy(out + i * kTilePositions, in + i, kTileRun * sizeof(float));
  }
}

std::size_t activation_tile_values(std::size_t n_positions, std::size_t cols) {
  return n_tiles(n_positions) * kTilePositions * cols;
}

std::size_t matmul_scratch_values(std::size_t n_positions) {
  return n_tiles(n_positions) * kTilePositions * kMatmulScratch;
}

void matmul(const ParamMatrix& w, const ActivationTiles& x, std::uint32_t first_row, std::uint32_t n_rows, float* out,
            std::size_t out_stride, AlignedVector<float>& scratch) {
  const Activations& source = x.source();
  assert(x.cols() == w.cols && first_row + n_rows <= w.rows);
  const std::size_t n_scratch = matmul_scratch_values(source.n_positions);
  if (scratch.size() < n_scratch) scratch.resize(n_scratch);
  simd_kernels().matmul[static_cast<std::size_t>(w.type)](row_data(w, first_row), w.row_stride(), n_rows, x.data(),
                                                          source.data, source.stride, source.n_positions, w.cols, out,
                                                          out_stride, scratch.data());
}

}  // namespace kvwave::kernels
