// Bulk half-precision conversions with the CPU's own instructions. Call only where simd_path() is avx2 or better.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

void f16_to_f32_f16c(const std::uint16_t* in, float* out, std::size_t n);
void f32_to_f16_f16c(const float* in, std::uint16_t* out, std::size_t n);  ///< round to nearest even

}  // namespace kvwave::kernels
