#include "kernels/gemv.h"

#include <algorithm>
#include <cassert>

#include "kernels/simd_kernels.h"

namespace kvwave::kernels {

namespace {

const std::uint8_t* row_data(const ParamMatrix& w, std::uint32_t row) {
  return reinterpret_cast<const std::uint8_t*>(w.row(row));
}

}  // namespace

void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out) {
  assert(x.size() == w.cols && first_row + out.size() <= w.rows);
  simd_kernels().gemv[static_cast<std::size_t>(w.type)](row_data(w, first_row), w.row_stride(), out.size(), x.data(),
                                                        w.cols, out.data());
}

void matmul(const ParamMatrix& w, const Activations& x, std::uint32_t first_row, std::uint32_t n_rows, float* out,
            std::size_t out_stride, std::vector<float>& tile) {
  assert(x.stride >= w.cols && first_row + n_rows <= w.rows);
  constexpr std::uint32_t kTileRows = 8;
  const SimdKernels& kernels = simd_kernels();
  const auto expand = kernels.expand[static_cast<std::size_t>(w.type)];
  if (tile.size() < std::size_t{kTileRows} * w.cols) tile.resize(std::size_t{kTileRows} * w.cols);
  for (std::uint32_t r = 0; r < n_rows; r += kTileRows) {
    const std::uint32_t count = std::min(kTileRows, n_rows - r);
    for (std::uint32_t i = 0; i < count; ++i) {
      expand(row_data(w, first_row + r + i), w.cols, tile.data() + std::size_t{i} * w.cols);
    }
    kernels.multiply(tile.data(), w.cols, count, x.data, x.stride, x.n_positions, w.cols, out + r, out_stride);
  }
}

}  // namespace kvwave::kernels
