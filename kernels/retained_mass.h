// How much of each attention row configurations still see. Probabilities are summed as whole numbers of 2^-30:
// additions of whole numbers give the same result in any order, so that a figure depends neither on the instruction set
// nor on which other configurations are measured beside it. Rounding a probability moves it by at most 2^-31.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::kernels {

inline constexpr std::uint32_t kWordConfigs = 64;
inline constexpr float kFixedOne = 0x1p30F;  ///< the whole number that stands for a probability of 1

/// fixed[i] = value[i] * scale, rounded to the nearest whole number (ties to even). |value[i] * scale| < 2^31.
void to_fixed(std::span<const float> value, float scale, std::span<std::int32_t> fixed);

/// sum[lane] = start[lane] + the sum of value[position * stride + lane] over `added` - that over `removed`, for lanes
/// [0, sum.size()); an empty `start` counts as 0. The sums of magnitudes must stay below 2^31. One pass over the lines
/// for one configuration, or for what sets it apart from another.
void line_sums(const std::int32_t* value, std::size_t stride, std::span<const std::uint32_t> added,
               std::span<const std::uint32_t> removed, std::span<const std::int32_t> start,
               std::span<std::int32_t> sum);

/// distance[j] = number of bits in which line j of `lines` [distance.size(), line.size()] differs from `line`.
void bit_distances(std::span<const std::uint64_t> line, std::span<const std::uint64_t> lines,
                   std::span<std::uint32_t> distance);

/// sum[lane * 64 + c] = sum of value[i * stride + lane] over positions i with bit c of visible[i] set, for lanes
/// [0, n_lanes) and configurations c < n_configs <= 64 (further entries up to the next multiple of 16 hold the sums of
/// their bits). One pass over the lines for up to 64 configurations.
void word_sums(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes,
               std::span<const std::uint64_t> visible, std::uint32_t n_configs, std::span<std::int32_t> sum);

}  // namespace kvwave::kernels
