// Attention output over a chosen set of positions, for several rows at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::kernels {

inline constexpr std::uint32_t kValuePad = 16;  ///< value rows are padded with zeros to a multiple of this

/// Rows `prob` [any, stride], of which lanes [0, n_lanes) are looked at, and `value` [any, width]; width is a multiple
/// of kValuePad.
struct WeightedRows {
  const float* prob = nullptr;
  std::size_t stride = 0;
  std::uint32_t n_lanes = 0;
  std::span<const float> value;
  std::uint32_t width = 0;
};

/// out[lane * width + c] = start[lane * width + c] + the sum over i in `added` of prob[i * stride + lane] *
/// value[i * width + c] - that over `removed`, positions in the given order, fp32. start, out: [n_lanes, width]; an
/// empty start counts as 0.
void weighted_values(const WeightedRows& rows, std::span<const std::uint32_t> added,
                     std::span<const std::uint32_t> removed, std::span<const float> start, std::span<float> out);

}  // namespace kvwave::kernels
