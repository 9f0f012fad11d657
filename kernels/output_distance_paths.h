// Instruction-set versions of one lane of square_distances(): the 16 interleaved part sums.
#pragma once

#include <cstdint>

namespace kvwave::kernels {

void distance_parts_baseline(const float* start, float sign, const float* part, float scale, const float* reference,
                             std::uint32_t width, float* sums);
void distance_parts_avx2(const float* start, float sign, const float* part, float scale, const float* reference,
                         std::uint32_t width, float* sums);
void distance_parts_avx512(const float* start, float sign, const float* part, float scale, const float* reference,
                           std::uint32_t width, float* sums);

}  // namespace kvwave::kernels
