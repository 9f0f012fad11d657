#include <cmath>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"

namespace kvwave::kernels {

namespace {

// A running maximum and the sum of exp(logit - maximum): one per row and thread, joined at the end in fixed order.
struct RunningSoftmax {
  float top = -INFINITY;
  double sum = 0;
};

__device__ __forceinline__ RunningSoftmax joined(const RunningSoftmax& a, const RunningSoftmax& b) {
  RunningSoftmax both;
  both.top = fmaxf(a.top, b.top);
  if (both.top == -INFINITY) return both;
  both.sum = a.sum * static_cast<double>(expf(a.top - both.top)) + b.sum * static_cast<double>(expf(b.top - both.top));
  return both;
}

__global__ void __launch_bounds__(kTileThreads) row_normalisers_kernel(EvaluationRows rows, float scale) {
  __shared__ DotStage stage;
  const RowSpan span = rows.span[blockIdx.x];
  const std::uint32_t length = span_length(span);
  RunningSoftmax running[kThreadSide];
  for (std::uint32_t first_key = 0; first_key < length; first_key += kTileKeys) {
    float dot[kThreadSide][kThreadSide];
    span_dots(rows, span, first_key, stage, dot);
#pragma unroll
    for (std::uint32_t r = 0; r < kThreadSide; ++r) {
      const std::uint32_t position = span.first_position + corner_row() + r;
      RunningSoftmax tile;
#pragma unroll
      for (std::uint32_t j = 0; j < kThreadSide; ++j) {
        if (first_key + corner_key() + j <= position) tile.top = fmaxf(tile.top, __fmul_rn(dot[r][j], scale));
      }
      float sum = 0;
#pragma unroll
      for (std::uint32_t j = 0; j < kThreadSide; ++j) {
        if (first_key + corner_key() + j <= position) sum += expf(__fmul_rn(dot[r][j], scale) - tile.top);
      }
      tile.sum = static_cast<double>(sum);
      running[r] = joined(running[r], tile);
    }
  }
#pragma unroll
  for (std::uint32_t r = 0; r < kThreadSide; ++r) {
    RunningSoftmax row = running[r];
#pragma unroll
    for (int step = kKeyThreads / 2; step > 0; step /= 2) {
      RunningSoftmax other;
      other.top = __shfl_xor_sync(kFullWarp, row.top, step);
      other.sum = __shfl_xor_sync(kFullWarp, row.sum, step);
      row = joined(row, other);
    }
    if (corner_key() == 0 && corner_row() + r < span.n_rows) {
      const std::size_t index = row_index(rows, span, corner_row() + r);
      rows.row_max[index] = row.top;
      rows.row_share[index] = static_cast<float>(1.0 / row.sum);
    }
  }
}

}  // namespace

void row_normalisers_cuda(const EvaluationRows& rows, cudaStream_t stream) {
  if (rows.n_spans == 0) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  launch(row_normalisers_kernel, {rows.n_spans, kTileThreads}, stream, rows, scale);
}

}  // namespace kvwave::kernels
