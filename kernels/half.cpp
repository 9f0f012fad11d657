#include "kernels/half.h"

#include <bit>
#include <cassert>
#include <cstddef>

#include "kernels/cpu_features.h"
#include "kernels/half_f16c.h"

namespace kvwave::kernels {
namespace {

constexpr std::uint32_t kF32Infinity = 0x7f800000U;
constexpr std::uint32_t kF32SmallestNormalHalf = 0x38800000U;  // 2^-14
constexpr std::uint32_t kF32FirstBeyondHalf = 0x47800000U;     // 2^16
constexpr std::uint32_t kRebias = (127U - 15U) << 23;

/// A float cut into a half that was rounded toward zero and what was cut off, as a fraction of the last place.
struct CutHalf {
  std::uint32_t half = 0;    // 15 bits, no sign; finite and below 2^16
  std::uint32_t rest = 0;    // discarded bits
  std::uint32_t middle = 0;  // the value of `rest` that is exactly half a last place
};

// magnitude: the 31 bits of a finite float below 2^16.
CutHalf cut(std::uint32_t magnitude) {
  if (magnitude >= kF32SmallestNormalHalf) return {(magnitude - kRebias) >> 13, magnitude & 0x1fffU, 0x1000U};
  // Below 2^-14 the last place is fixed at 2^-24: shift the mantissa there. Below 2^-25 nothing can round up.
  const std::uint32_t exponent = magnitude >> 23;
  if (exponent < 102) return {};
  const std::uint32_t mantissa = (magnitude & 0x7fffffU) | 0x800000U;
  const std::uint32_t shift = 126 - exponent;
  return {mantissa >> shift, mantissa & ((1U << shift) - 1), 1U << (shift - 1)};
}

std::uint16_t quiet_nan(std::uint32_t sign, std::uint32_t magnitude) {
  return static_cast<std::uint16_t>(sign | 0x7e00U | ((magnitude >> 13) & 0x3ffU));  // the payload the CPU keeps
}

}  // namespace

float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0x1f) {
    const std::uint32_t quiet = mantissa != 0 ? 0x400000U : 0;
    return std::bit_cast<float>(sign | kF32Infinity | quiet | (mantissa << 13));
  }
  if (exponent != 0) return std::bit_cast<float>(sign | (((exponent << 23) | (mantissa << 13)) + kRebias));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > kF32Infinity) return quiet_nan(sign, magnitude);
  if (magnitude >= kF32FirstBeyondHalf) return static_cast<std::uint16_t>(sign | 0x7c00U);
  const CutHalf c = cut(magnitude);
  const bool up = c.rest > c.middle || (c.middle != 0 && c.rest == c.middle && (c.half & 1U) != 0);
  return static_cast<std::uint16_t>(sign | (c.half + (up ? 1U : 0U)));  // a carry reaches infinity where it should
}

std::uint16_t f32_to_f16_toward_zero(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > kF32Infinity) return quiet_nan(sign, magnitude);
  if (magnitude == kF32Infinity) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude >= kF32FirstBeyondHalf) return static_cast<std::uint16_t>(sign | 0x7bffU);
  return static_cast<std::uint16_t>(sign | cut(magnitude).half);
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void f16_to_f32(std::span<const std::uint16_t> in, std::span<float> out) {
  assert(in.size() == out.size());
  if (simd_path() != SimdPath::baseline) return f16_to_f32_f16c(in.data(), out.data(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = f16_to_f32(in[i]);
}

void f32_to_f16(std::span<const float> in, std::span<std::uint16_t> out) {
  assert(in.size() == out.size());
  if (simd_path() != SimdPath::baseline) return f32_to_f16_f16c(in.data(), out.data(), in.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = f32_to_f16(in[i]);
}

}  // namespace kvwave::kernels
