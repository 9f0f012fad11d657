#include "traces/half_float.h"

#include <bit>

#include "traces/half_float_f16c.h"

namespace kvwave::traces {

namespace {

void widen_portably(const std::uint16_t* __restrict in, std::size_t count, float* __restrict out) {
  constexpr std::uint32_t kExponent = 0x7C00U << 13;
  constexpr std::uint32_t kRebias = (127U - 15U) << 23;
  constexpr float kSubnormal = std::bit_cast<float>((127U - 14U) << 23);  // 2^-14, the smallest normal half
  // Both outcomes are computed and one is selected, without branches, so that compilers turn this into vector code.
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t magnitude = (in[i] & 0x7FFFU) << 13;
    const std::uint32_t sign = (in[i] & 0x8000U) << 16;
    const std::uint32_t exponent = magnitude & kExponent;
    const std::uint32_t normal = magnitude + kRebias + (exponent == kExponent ? kRebias : 0U);
    const std::uint32_t tiny =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + kRebias + (1U << 23)) - kSubnormal);
    out[i] = std::bit_cast<float>((exponent == 0 ? tiny : normal) | sign);
  }
}

}  // namespace

void widen_halves(const std::uint16_t* in, std::size_t count, float* out) {
  static const bool fast = has_f16c();
  const std::size_t done = fast ? widen_halves_f16c(in, count, out) : 0;
  widen_portably(in + done, count - done, out + done);
}

}  // namespace kvwave::traces
