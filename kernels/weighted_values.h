// Attention output over a chosen set of positions, for several rows at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::kernels {

inline constexpr std::uint32_t kValuePad = 16;  ///< value rows are padded with zeros to a multiple of this

/// out[lane * width + c] = sum over k of prob[position[k] * stride + lane] * value[position[k] * width + c], positions
/// in the given order, fp32. width is a multiple of kValuePad; value: [any, width]; out: [n_lanes, width].
void weighted_values(const float* prob, std::size_t stride, std::uint32_t n_lanes,
                     std::span<const std::uint32_t> position, std::span<const float> value, std::uint32_t width,
                     std::span<float> out);

}  // namespace kvwave::kernels
