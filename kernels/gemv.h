// Matrix times vector and matrix times a few vectors, straight from stored parameters: activations stay fp32, blocks
// are expanded in registers or a small tile. One output is one dot product with a fixed order of additions, so a result
// depends on the SIMD path only, never on which rows or positions a call covers or on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/params.h"

namespace kvwave::kernels {

/// out[i] = row (first_row + i) of W . x, for i < out.size(). x.size() = W.cols; first_row + out.size() <= W.rows.
void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out);

}  // namespace kvwave::kernels
