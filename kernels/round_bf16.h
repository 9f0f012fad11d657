// Rounding to bfloat16 precision, for scores that the official codes keep in the model's type.
#pragma once

#include <bit>
#include <cstdint>

namespace kvwave::kernels {

/// The nearest bfloat16 (ties to even) as a float; finite input.
inline float round_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16) & 1U)) & 0xFFFF0000U);
}

}  // namespace kvwave::kernels
