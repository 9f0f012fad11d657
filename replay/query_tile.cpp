#include "replay/query_tile.h"

namespace kvwave::replay {

void shape_tile(std::uint32_t first_position, std::uint32_t n_rows, std::uint32_t group, std::uint32_t head_dim,
                ProbabilityTile& tile) {
  tile.first_position = first_position;
  tile.n_rows = n_rows;
  tile.group = group;
  tile.shape.n_lanes = (n_rows * group + kernels::kLaneBlock - 1) / kernels::kLaneBlock * kernels::kLaneBlock;
  tile.shape.n_positions = first_position + n_rows;
  tile.shape.head_dim = head_dim;
  tile.n_visible.assign(tile.shape.n_lanes, first_position + 1);
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    tile.n_visible[lane] = first_position + lane / group + 1;
  }
  tile.prob.resize(std::size_t{tile.shape.n_positions} * tile.shape.n_lanes);
}

void recompute_rows(const LayerTensors& tensors, std::uint32_t kv_head, std::uint32_t first_position,
                    std::uint32_t n_rows, ProbabilityTile& tile) {
  const Sequence& sequence = tensors.sequence();
  const std::uint32_t d = sequence.head_dim, group = sequence.group();
  shape_tile(first_position, n_rows, group, d, tile);
  const std::uint32_t n_lanes = tile.shape.n_lanes;
  tile.query.resize(std::size_t{d} * n_lanes);
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    const std::uint32_t row = lane < tile.used_lanes() ? lane / group : 0;
    const std::span<const float> queries = tensors.queries(kv_head, first_position + row);
    const float* const query = queries.data() + std::size_t{lane % group} * d;
    for (std::uint32_t c = 0; c < d; ++c) tile.query[std::size_t{c} * n_lanes + lane] = query[c];
  }
  tile.fixed.resize(tile.prob.size());
  kernels::attention_rows(tile.shape, tile.query, tensors.keys(kv_head), tile.n_visible, tile.prob, tile.fixed);
}

}  // namespace kvwave::replay
