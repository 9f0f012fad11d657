// Instruction-set versions of the operations of row_tile.h, on raw pointers. Call only where simd_path() allows.
#pragma once

#include <cstdint>

namespace kvwave::kernels {

inline constexpr std::uint32_t kTileBlock = 48;  // positions taken together, so that what is passed on stays in L1

// scale * query . key for every position and lane.
void tile_logits_baseline(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                          std::uint32_t head_dim, float scale, float* out);
void tile_logits_avx2(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                      std::uint32_t head_dim, float scale, float* out);
void tile_logits_avx512(const float* query, const float* key, std::uint32_t n_positions, std::uint32_t n_lanes,
                        std::uint32_t head_dim, float scale, float* out);

// In place, per lane: top = max(top, the block's values), values become 2^(value - top), and total their sum after what
// it held before was brought to the new top. With `n_visible` (else null) a lane has only positions first_position + i
// < n_visible[lane]; the others become 0. A lane's first block must hold a position that it sees.
void tile_powers_baseline(float* block, std::uint32_t n_positions, std::uint32_t n_lanes,
                          const std::uint32_t* n_visible, std::uint32_t first_position, float* top, float* total);
void tile_powers_avx2(float* block, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible,
                      std::uint32_t first_position, float* top, float* total);
void tile_powers_avx512(float* block, std::uint32_t n_positions, std::uint32_t n_lanes, const std::uint32_t* n_visible,
                        std::uint32_t first_position, float* top, float* total);

// prob *= factor[lane], and fixed = prob * 2^30 rounded to nearest.
void tile_scale_baseline(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                         std::int32_t* fixed);
void tile_scale_avx2(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                     std::int32_t* fixed);
void tile_scale_avx512(float* prob, std::uint32_t n_positions, std::uint32_t n_lanes, const float* factor,
                       std::int32_t* fixed);

// count[lane] += number of positions whose value is at least threshold[lane]; 16 lanes.
void tile_count_baseline(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                         std::uint32_t* count);
void tile_count_avx2(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                     std::uint32_t* count);
void tile_count_avx512(const float* tile, std::uint32_t n_positions, std::uint32_t n_lanes, const float* threshold,
                       std::uint32_t* count);

}  // namespace kvwave::kernels
