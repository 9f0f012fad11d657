// IEEE binary16 and bfloat16 conversions, scalar and in bulk. Bulk forms use F16C where the CPU has it; every path
// gives the same bits.
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::kernels {

float f16_to_f32(std::uint16_t half);               ///< exact
std::uint16_t f32_to_f16(float value);              ///< round to nearest even; overflow to infinity; NaN stays NaN
std::uint16_t f32_to_f16_toward_zero(float value);  ///< for stored probabilities; finite overflow to 65504
float bf16_to_f32(std::uint16_t bits);              ///< exact

// Sizes of in and out must agree.
void f16_to_f32(std::span<const std::uint16_t> in, std::span<float> out);
void f32_to_f16(std::span<const float> in, std::span<std::uint16_t> out);

}  // namespace kvwave::kernels
