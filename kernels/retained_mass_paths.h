// Instruction-set versions of the passes of retained_mass.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/line_list.h"

namespace kvwave::kernels {

inline constexpr std::uint32_t kWordLanes = 4;  // lanes that one call of word_run takes at most

void fixed_baseline(const float* value, std::size_t n, float scale, std::int32_t* fixed);
void fixed_avx2(const float* value, std::size_t n, float scale, std::int32_t* fixed);
void fixed_avx512(const float* value, std::size_t n, float scale, std::int32_t* fixed);

// sum = start + added - removed; start may be null (0) or sum itself.
void lines_baseline(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                    const std::int32_t* start, std::int32_t* sum);
void lines_avx2(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                const std::int32_t* start, std::int32_t* sum);
void lines_avx512(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                  const std::int32_t* start, std::int32_t* sum);

void bit_distances_baseline(const std::uint64_t* line, std::size_t n_words, const std::uint64_t* lines, std::size_t n,
                            std::uint32_t* distance);
void bit_distances_avx2(const std::uint64_t* line, std::size_t n_words, const std::uint64_t* lines, std::size_t n,
                        std::uint32_t* distance);

// sum[lane * 64 + c] for c < 16 * n_groups; n_lanes <= kWordLanes.
void word_run_baseline(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes,
                       const std::uint64_t* visible, std::size_t n, std::uint32_t n_groups, std::int32_t* sum);
void word_run_avx2(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                   std::size_t n, std::uint32_t n_groups, std::int32_t* sum);
void word_run_avx512(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const std::uint64_t* visible,
                     std::size_t n, std::uint32_t n_groups, std::int32_t* sum);

}  // namespace kvwave::kernels
