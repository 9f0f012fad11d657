// Instruction-set versions of the operations of row_tile.h, on raw pointers. Call only where simd_path() allows.
#pragma once

#include <cstdint>

namespace kvwave::kernels {

// scale * query . key for every position and lane.
void tile_logits_baseline(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                          std::uint32_t head_dim, float scale, float* out);
void tile_logits_avx2(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                      std::uint32_t head_dim, float scale, float* out);
void tile_logits_avx512(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                        std::uint32_t head_dim, float scale, float* out);

// Logits to probabilities in place, per lane over its first n_visible positions; later positions become 0.
void tile_softmax_baseline(float* tile, std::uint32_t n_positions, std::uint32_t n_lanes,
                           const std::uint32_t* n_visible);
void tile_softmax_avx2(float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible);
void tile_softmax_avx512(float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible);

// count[lane] += number of positions whose value is at least threshold[lane]; 16 lanes.
void tile_count_baseline(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                         std::uint32_t* count);
void tile_count_avx2(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                     std::uint32_t* count);
void tile_count_avx512(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                       std::uint32_t* count);

}  // namespace kvwave::kernels
