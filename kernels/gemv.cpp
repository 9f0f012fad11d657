#include "kernels/gemv.h"

#include <cassert>

#include "kernels/simd_kernels.h"

namespace kvwave::kernels {

namespace {

static_assert(kFormatCount == kParamTypeCount);

const std::uint8_t* row_data(const ParamMatrix& w, std::uint32_t row) {
  return reinterpret_cast<const std::uint8_t*>(w.row(row));
}

}  // namespace

void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out) {
  assert(x.size() == w.cols && first_row + out.size() <= w.rows);
  simd_kernels().gemv[static_cast<std::size_t>(w.type)](row_data(w, first_row), w.row_stride(), out.size(), x.data(),
                                                        w.cols, out.data());
}

std::size_t matmul_scratch_values(std::size_t n_positions) {
  return kMatmulScratch * n_positions;
}

void matmul(const ParamMatrix& w, const Activations& x, std::uint32_t first_row, std::uint32_t n_rows, float* out,
            std::size_t out_stride, std::vector<float>& scratch) {
  assert(x.stride >= w.cols && first_row + n_rows <= w.rows);
  if (scratch.size() < matmul_scratch_values(x.n_positions)) scratch.resize(matmul_scratch_values(x.n_positions));
  simd_kernels().matmul[static_cast<std::size_t>(w.type)](row_data(w, first_row), w.row_stride(), n_rows, x.data,
                                                          x.stride, x.n_positions, w.cols, out, out_stride,
                                                          scratch.data());
}

}  // namespace kvwave::kernels
