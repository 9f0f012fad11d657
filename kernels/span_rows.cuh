// What the row kernels share: the rows of a span, the keys of a tile, and one attention probability.
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

#include "kernels/dot_tile.cuh"
#include "kernels/row_evaluation.h"

namespace kvwave::kernels {
namespace {

static_assert(kMaxSpanRows == kTileRows);

__device__ __forceinline__ const float* query_of(const EvaluationRows& rows, const RowSpan& span, std::uint32_t r) {
  if (r >= span.n_rows) return nullptr;
  return rows.q + (static_cast<std::size_t>(span.first_position + r) * rows.n_q_heads + span.q_head) * rows.head_dim;
}

__device__ __forceinline__ std::uint32_t kv_head_of(const EvaluationRows& rows, const RowSpan& span) {
  return span.q_head / (rows.n_q_heads / rows.n_kv_heads);
}

/// Key or value of a position.
__device__ __forceinline__ const float* line_of(const float* tensor, const EvaluationRows& rows, std::uint32_t kv_head,
                                                std::uint32_t position) {
  return tensor + (static_cast<std::size_t>(position) * rows.n_kv_heads + kv_head) * rows.head_dim;
}

__device__ __forceinline__ std::size_t row_index(const EvaluationRows& rows, const RowSpan& span, std::uint32_t r) {
  return static_cast<std::size_t>(span.first_position + r - rows.first_position) * rows.n_q_heads + span.q_head;
}

/// Positions the span's last row attends to.
__device__ __forceinline__ std::uint32_t span_length(const RowSpan& span) {
  return span.first_position + span.n_rows;
}

// Largest logits and shares of this thread's four rows, in registers. Rows beyond the span get share 0.
struct CornerRows {
  float top[kThreadSide];
  float share[kThreadSide];
  std::uint32_t position[kThreadSide];
};

__device__ __forceinline__ CornerRows load_corner_rows(const EvaluationRows& rows, const RowSpan& span) {
  CornerRows corner;
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    const std::uint32_t row = corner_row() + r;
    const bool valid = row < span.n_rows;
    const std::size_t index = row_index(rows, span, valid ? row : 0);
    corner.top[r] = valid ? rows.row_max[index] : 0.0F;
    corner.share[r] = valid ? rows.row_share[index] : 0.0F;
    corner.position[r] = span.first_position + row;
  }
  return corner;
}

/// Products and differences are rounded one by one, so that every kernel sees the same bits of a probability.
__device__ __forceinline__ float attn_prob(float dot, float scale, const CornerRows& corner, std::uint32_t r,
                                           std::uint32_t key_position) {
  if (key_position > corner.position[r]) return 0.0F;
  const float below = __fadd_rn(__fmul_rn(dot, scale), -corner.top[r]);
  return __fmul_rn(expf(below), corner.share[r]);
}

/// Probabilities of one tile: line j holds all rows' attn_prob of key j.
struct alignas(16) ProbTile {
  float line[kTileKeys][kTileRows + 4];
};

/// Fills this thread's corner of the tile; position_of(key) is the position of the tile's key.
template <class PositionOf>
__device__ __forceinline__ void store_probs(const float (&dot)[kThreadSide][kThreadSide], float scale,
                                            const CornerRows& corner, const PositionOf& position_of, ProbTile& prob) {
#pragma unroll
  for (std::uint32_t j = 0; j < kThreadSide; ++j) {
    const std::uint32_t key = corner_key() + j;
    const std::uint32_t position = position_of(key);
    *reinterpret_cast<float4*>(&prob.line[key][corner_row()]) =
        make_float4(attn_prob(dot[0][j], scale, corner, 0, position), attn_prob(dot[1][j], scale, corner, 1, position),
                    attn_prob(dot[2][j], scale, corner, 2, position), attn_prob(dot[3][j], scale, corner, 3, position));
  }
}

/// Calls what(row, key) for each entry of this thread's corner that its row attends to; key counts from first_key.
template <class What>
__device__ __forceinline__ void for_corner(const RowSpan& span, std::uint32_t first_key, const What& what) {
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    const std::uint32_t row = corner_row() + r;
    if (row >= span.n_rows) continue;
#pragma unroll
    for (std::uint32_t j = 0; j < kThreadSide; ++j) {
      const std::uint32_t key = corner_key() + j;
      if (first_key + key <= span.first_position + row) what(row, key);
    }
  }
}

/// Dot products of the span's queries with keys first_key .. first_key + kTileKeys - 1, zeros beyond the span's length.
__device__ __forceinline__ void span_dots(const EvaluationRows& rows, const RowSpan& span, std::uint32_t first_key,
                                          DotStage& stage, float (&dot)[kThreadSide][kThreadSide]) {
  const std::uint32_t kv_head = kv_head_of(rows, span);
  dot_tile<DotOrder::fused>(
      stage, rows.head_dim, [&](std::uint32_t r) { return query_of(rows, span, r); },
      [&](std::uint32_t j) -> const float* {
        return first_key + j < span_length(span) ? line_of(rows.k, rows, kv_head, first_key + j) : nullptr;
      },
      dot);
}

}  // namespace
}  // namespace kvwave::kernels
