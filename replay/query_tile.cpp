#include "replay/query_tile.h"

#include <xmmintrin.h>

namespace kvwave::replay {

namespace {

// out[c * stride + j] = query[j][c] for four lanes j, four channels at a time (SSE is part of baseline x86-64).
void transpose_lanes(const float* const* query, std::uint32_t n_channels, std::size_t stride, float* out) {
  std::uint32_t c = 0;
  for (; c + 4 <= n_channels; c += 4) {
    __m128 a = _mm_loadu_ps(query[0] + c), b = _mm_loadu_ps(query[1] + c);
    __m128 d = _mm_loadu_ps(query[2] + c), e = _mm_loadu_ps(query[3] + c);
    _MM_TRANSPOSE4_PS(a, b, d, e);
    _mm_storeu_ps(out + c * stride, a);
    _mm_storeu_ps(out + (c + 1) * stride, b);
    _mm_storeu_ps(out + (c + 2) * stride, d);
    _mm_storeu_ps(out + (c + 3) * stride, e);
  }
  for (; c < n_channels; ++c) {
    for (int j = 0; j < 4; ++j) out[c * stride + static_cast<std::size_t>(j)] = query[j][c];
  }
}

}  // namespace

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
  const auto query_of = [&](std::uint32_t lane) {
    const std::uint32_t row = lane < tile.used_lanes() ? lane / group : 0;
    return tensors.queries(kv_head, first_position + row).data() + std::size_t{lane % group} * d;
  };
  for (std::uint32_t lane = 0; lane < n_lanes; lane += 4) {
    const float* const query[4] = {query_of(lane), query_of(lane + 1), query_of(lane + 2), query_of(lane + 3)};
    transpose_lanes(query, d, n_lanes, tile.query.data() + lane);
  }
  tile.fixed.resize(tile.prob.size());
  kernels::attention_rows(tile.shape, tile.query, tensors.keys(kv_head), tile.n_visible, tile.prob, tile.fixed);
}

}  // namespace kvwave::replay
