// Matrix times vector and matrix times a block of vectors, straight from stored parameters: activations stay fp32,
// blocks are expanded in registers or in a small panel. One output is one dot product whose order of additions depends
// only on the SIMD path and the row length, not on which rows or positions a call covers: results are the same bytes
// for any number of threads and for single positions and blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/params.h"

namespace kvwave::kernels {

/// Activations of consecutive positions, row-major: position p starts at data + p * stride.
struct Activations {
  const float* data = nullptr;
  std::size_t n_positions = 0;
  std::size_t stride = 0;  ///< in floats
};

/// out[i] = row (first_row + i) of W . x, for i < out.size(). x.size() = W.cols; first_row + out.size() <= W.rows.
void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out);

/// Floats that matmul() makes of its scratch memory.
std::size_t matmul_scratch_values(std::size_t n_positions);

/// out[p * out_stride + r] = row (first_row + r) of W . x[p], for r < n_rows and every position p. Expands a few
/// rows at a time, a run of columns after the other; sums rest in `scratch`, which it resizes: give each thread its
/// own.
void matmul(const ParamMatrix& w, const Activations& x, std::uint32_t first_row, std::uint32_t n_rows, float* out,
            std::size_t out_stride, std::vector<float>& scratch);

}  // namespace kvwave::kernels
