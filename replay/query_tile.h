// Attention rows of a few consecutive decode steps of one KV head, recomputed from queries and keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/aligned_vector.h"
#include "kernels/row_tile.h"
#include "replay/layer_tensors.h"

namespace kvwave::replay {

/// Lane r * G + g of a tile is query head g of the group at the tile's row r; lanes beyond the last row repeat row 0.
struct ProbabilityTile {
  kernels::RowTile shape;            ///< n_positions = positions visible to the last row
  std::uint32_t first_position = 0;  ///< query position of row 0
  std::uint32_t n_rows = 0, group = 1;
  kernels::AlignedVector<float> prob;          ///< [n_positions, n_lanes]
  kernels::AlignedVector<std::int32_t> fixed;  ///< prob as whole numbers (kernels/retained_mass.h); may be empty
  std::vector<std::uint32_t> n_visible;        ///< [n_lanes] causal count
  kernels::AlignedVector<float> query;         ///< scratch [head_dim, n_lanes]

  std::uint32_t used_lanes() const { return n_rows * group; }
};

/// Fills `tile` with rows first_position .. first_position + n_rows - 1. Memory in `tile` is reused.
void recompute_rows(const LayerTensors& tensors, std::uint32_t kv_head, std::uint32_t first_position,
                    std::uint32_t n_rows, ProbabilityTile& tile);

/// Sets sizes, causal counts and (unset) memory of a tile; what recompute_rows() starts with.
void shape_tile(std::uint32_t first_position, std::uint32_t n_rows, std::uint32_t group, std::uint32_t head_dim,
                ProbabilityTile& tile);

}  // namespace kvwave::replay
