// How much of each attention row up to 64 configurations still see, in one pass over the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::kernels {

inline constexpr std::uint32_t kWordConfigs = 64;

/// mass[lane * 64 + c] = sum of prob[i * stride + lane] over positions i with bit c of visible[i] set, for lanes
/// [0, n_lanes) and configurations c < n_configs <= 64 (further entries up to the next multiple of 16 are written as 0
/// or left as sums of their bits). Positions are added in ascending order, in fp32 within runs of 128 and in fp64 over
/// runs: every instruction set gives the same bits, and the error is below 128 * 2^-24 of the sum.
/// prob: first lane of the first position; visible: one word per position.
void retained_mass(const float* prob, std::size_t stride, std::uint32_t n_lanes, std::span<const std::uint64_t> visible,
                   std::uint32_t n_configs, std::span<double> mass);

}  // namespace kvwave::kernels
