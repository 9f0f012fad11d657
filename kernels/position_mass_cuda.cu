#include <cmath>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"

namespace kvwave::kernels {

namespace {

constexpr std::uint32_t kRowThreads = kTileThreads / kKeyThreads;  // threads that share a key

// A block adds up 64 positions over all rows of the group, 32 rows at a time. Grid: key tiles x KV heads.
__global__ void __launch_bounds__(kTileThreads)
    position_mass_kernel(EvaluationRows rows, std::uint32_t first, std::uint32_t end, double* future_mass,
                         float scale) {
  __shared__ DotStage stage;
  __shared__ double part[kRowThreads][kTileKeys];
  const std::uint32_t first_key = blockIdx.x * kTileKeys;
  const std::uint32_t kv_head = blockIdx.y;
  const std::uint32_t group = rows.n_q_heads / rows.n_kv_heads;
  double sum[kThreadSide] = {};
  for (std::uint32_t g = 0; g < group; ++g) {
    for (std::uint32_t position = first; position < end; position += kTileRows) {
      const RowSpan span{kv_head * group + g, position, min(kTileRows, end - position)};
      if (first_key >= span_length(span)) continue;  // the same in all threads
      const CornerRows corner = load_corner_rows(rows, span);
      float dot[kThreadSide][kThreadSide];
      span_dots(rows, span, first_key, stage, dot);
#pragma unroll
      for (std::uint32_t j = 0; j < kThreadSide; ++j) {
        const std::uint32_t key = first_key + corner_key() + j;
        float of_rows = 0;
#pragma unroll
        for (std::uint32_t r = 0; r < kThreadSide; ++r) of_rows += attn_prob(dot[r][j], scale, corner, r, key);
        sum[j] += static_cast<double>(of_rows);
      }
    }
  }
#pragma unroll
  for (std::uint32_t j = 0; j < kThreadSide; ++j) part[threadIdx.x / kKeyThreads][corner_key() + j] = sum[j];
  __syncthreads();
  const std::uint32_t key = first_key + threadIdx.x;
  if (threadIdx.x >= kTileKeys || key >= end) return;
  double total = 0;
  for (std::uint32_t i = 0; i < kRowThreads; ++i) total += part[i][threadIdx.x];
  future_mass[static_cast<std::size_t>(kv_head) * rows.n_positions + key] = total / group;
}

}  // namespace

void position_mass_cuda(const EvaluationRows& rows, std::uint32_t first, std::uint32_t end, double* future_mass,
                        cudaStream_t stream) {
  if (first >= end) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  launch(position_mass_kernel, {dim3(ceil_div(end, kTileKeys), rows.n_kv_heads), kTileThreads}, stream, rows, first,
         end, future_mass, scale);
}

}  // namespace kvwave::kernels
