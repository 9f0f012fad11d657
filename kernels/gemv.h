// Matrix times vector and matrix times a block of vectors, straight from stored parameters: activations stay fp32,
// blocks are expanded in registers or in a small panel. One output is one dot product whose order of additions depends
// only on the SIMD path and the row length, not on which rows or positions a call covers: results are the same bytes
// for any number of threads and for single positions and blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/aligned_vector.h"
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

/// Activations in the order in which matmul() reads them: a few positions to a tile, short runs of each in turn.
class ActivationTiles {
 public:
  /// Makes room for cols values of each position of x, which must stay; every tile is then to be filled.
  void begin(const Activations& x, std::size_t cols);
  std::size_t count() const;
  /// Different tiles may be filled by different threads at once.
  void fill(std::size_t tile);

  const Activations& source() const { return x_; }
  std::size_t cols() const { return cols_; }
  const float* data() const { return values_.data(); }

 private:
  std::size_t tile_values() const;

  Activations x_;
  std::size_t cols_ = 0;
  AlignedVector<float> values_;
};

/// Floats that ActivationTiles makes of so many positions, and matmul() of its scratch memory.
std::size_t activation_tile_values(std::size_t n_positions, std::size_t cols);
std::size_t matmul_scratch_values(std::size_t n_positions);

/// out[p * out_stride + r] = row (first_row + r) of W . x[p], for r < n_rows and every position p. Expands a few
/// rows at a time, a run of columns after the other; sums rest in `scratch`, which it resizes: give each thread its
/// own.
void matmul(const ParamMatrix& w, const ActivationTiles& x, std::uint32_t first_row, std::uint32_t n_rows, float* out,
            std::size_t out_stride, AlignedVector<float>& scratch);

}  // namespace kvwave::kernels
