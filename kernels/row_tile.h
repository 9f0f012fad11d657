// Attention rows of several queries at once, stored position by position ("lanes" are query vectors): the layout in
// which softmax needs no horizontal sums and every later step of an evaluation reads contiguous lanes.
//
// A tile holds n_lanes columns (a multiple of 16) and one line per position:  prob[position * n_lanes + lane].
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::kernels {

inline constexpr std::uint32_t kLaneBlock = 16;

struct RowTile {
  std::uint32_t n_lanes = 0;      ///< multiple of kLaneBlock
  std::uint32_t n_positions = 0;  ///< lines of the tile
  std::uint32_t head_dim = 0;
};

/// prob[i][lane] = softmax over i < n_visible[lane] of query[lane] . key[i] / sqrt(head_dim), and 0 for later i;
/// `fixed` the same as whole numbers of 2^-30 (retained_mass.h). query: [head_dim, n_lanes] (channel-major); key:
/// [n_positions or more, head_dim]; n_visible: [n_lanes], each in [1, n_positions]. fp32 throughout: within 1e-5 of
/// fp64 for |logits| up to 50; paths differ by rounding only.
void attention_rows(const RowTile& tile, std::span<const float> query, std::span<const float> key,
                    std::span<const std::uint32_t> n_visible, std::span<float> prob, std::span<std::int32_t> fixed);

/// Per lane, the k-th largest value of its column (0 when the column holds fewer than k positive ones) and how many
/// values are strictly greater. Values are non-negative and below 2. k: [n_lanes], at least 1. Exact on every path.
void kth_largest(const RowTile& tile, std::span<const float> prob, std::span<const std::uint32_t> k,
                 std::span<float> value, std::span<std::uint32_t> n_greater);

/// Marks each lane's k largest values (ties to the lower position): marked[i][lane] = 1 for them and 0 elsewhere.
/// value and n_greater as kth_largest() gave them for the same k.
void mark_largest(const RowTile& tile, std::span<const float> prob, std::span<const std::uint32_t> k,
                  std::span<const float> value, std::span<const std::uint32_t> n_greater, std::span<float> marked);

}  // namespace kvwave::kernels
