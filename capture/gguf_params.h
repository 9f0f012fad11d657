// Takes tensors out of a GGUF file, checked against what an architecture expects.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "capture/gguf.h"
#include "kernels/params.h"

namespace kvwave::capture {

/// The matrix `name` of rows x cols, any type, in place. Throws BadTensor when it is missing or of another shape,
/// BadModelFile when a value or block scale is NaN or infinite.
kernels::ParamMatrix require_matrix(const GgufFile& file, std::string_view name, std::uint32_t rows,
                                    std::uint32_t cols);

/// The vector `name` of `size` values as fp32; F32, F16 or BF16 in the file. Throws as above.
std::vector<float> require_vector(const GgufFile& file, std::string_view name, std::uint32_t size);

}  // namespace kvwave::capture
