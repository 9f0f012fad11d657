// Instruction-set versions of one run of retained_mass(): at most 128 positions and 4 lanes, fp32 sums.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

inline constexpr std::uint32_t kMassLanes = 4;

// sum[lane * 64 + c] for c < 16 * n_groups; n_lanes <= kMassLanes.
void mass_run_baseline(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                       std::uint32_t n, std::uint32_t n_groups, float* sum);
void mass_run_avx2(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                   std::uint32_t n, std::uint32_t n_groups, float* sum);
void mass_run_avx512(const float* prob, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                     std::uint32_t n, std::uint32_t n_groups, float* sum);

}  // namespace kvwave::kernels
