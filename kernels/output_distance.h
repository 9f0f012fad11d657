// How far restricted attention outputs are from the full ones.
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::kernels {

/// distance[lane] = | scale[lane] * (start[lane] + sign * part[lane]) - reference[lane] |^2 over `width` channels, a
/// multiple of 16. All arrays [n_lanes, width]. Sums of 16 interleaved parts in fp32; every path gives the same bits.
void square_distances(std::span<const float> start, float sign, std::span<const float> part,
                      std::span<const float> scale, std::span<const float> reference, std::uint32_t width,
                      std::span<float> distance);

}  // namespace kvwave::kernels
