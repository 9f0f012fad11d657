// Instruction-set versions of weighted_values().
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

void weighted_values_baseline(const float* prob, std::size_t stride, std::uint32_t n_lanes,
                              const std::uint32_t* position, std::size_t n, const float* value, std::uint32_t width,
                              float* out);
void weighted_values_avx2(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint32_t* position,
                          std::size_t n, const float* value, std::uint32_t width, float* out);
void weighted_values_avx512(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint32_t* position,
                            std::size_t n, const float* value, std::uint32_t width, float* out);

}  // namespace kvwave::kernels
