#include <cmath>

#include "kernels/cuda_launch.cuh"
#include "kernels/row_evaluation.cuh"
#include "kernels/span_rows.cuh"
#include "kernels/weighted_tile.cuh"

namespace kvwave::kernels {

namespace {

// A block keeps the outputs of this many configurations in registers at a time.
template <std::uint32_t kQuads>
constexpr std::uint32_t kBlockConfigs = 8 / kQuads;

constexpr std::uint32_t kBeyondEveryRow = 0xFFFFFFFFU;

// Positions that at least one of the block's configurations sees, in ascending order, and who sees them. Each round of
// the search adds at most one per thread to what is left of the round before.
constexpr std::uint32_t kListRoom = kTileThreads + kTileKeys;
struct VisibleList {
  std::uint32_t position[kListRoom];
  std::uint32_t seen_by[kListRoom];
  std::uint32_t warp_count[kTileThreads / kWarp];
};

// Appends the visible ones of positions [begin, begin + kTileThreads) behind the first `n`; returns the new length.
__device__ __forceinline__ std::uint32_t append_visible(const EvaluationRows& rows, const EvaluationConfigs& configs,
                                                        const RowSpan& span, std::uint32_t first_config,
                                                        std::uint32_t n_configs, std::uint32_t begin, std::uint32_t n,
                                                        VisibleList& list) {
  const std::uint32_t kv_head = kv_head_of(rows, span);
  const std::uint32_t position = begin + threadIdx.x;
  const auto step = static_cast<std::int32_t>(span.first_position - rows.n_prompt);
  std::uint32_t seen_by = 0;
  if (position < span_length(span)) {
    for (std::uint32_t c = 0; c < n_configs; ++c) {
      const std::size_t line = static_cast<std::size_t>(first_config + c) * rows.n_kv_heads + kv_head;
      seen_by |= (__ldg(configs.evicted_at + line * rows.n_positions + position) > step ? 1U : 0U) << c;
    }
  }
  const std::uint32_t lane = threadIdx.x % kWarp;
  const std::uint32_t warp = threadIdx.x / kWarp;
  const std::uint32_t seen = __ballot_sync(kFullWarp, seen_by != 0);
  if (lane == 0) list.warp_count[warp] = static_cast<std::uint32_t>(__popc(seen));
  __syncthreads();
  std::uint32_t at = n;
  std::uint32_t total = n;
  for (std::uint32_t w = 0; w < kTileThreads / kWarp; ++w) {
    if (w < warp) at += list.warp_count[w];
    total += list.warp_count[w];
  }
  at += static_cast<std::uint32_t>(__popc(seen & ((1U << lane) - 1)));
  if (seen_by != 0) {
    list.position[at] = position;
    list.seen_by[at] = seen_by;
  }
  __syncthreads();
  return total;
}

// Moves what lies behind the first `taken` entries to the front.
__device__ __forceinline__ void drop_front(VisibleList& list, std::uint32_t taken, std::uint32_t n) {
  std::uint32_t position = 0, seen_by = 0;
  const std::uint32_t from = taken + threadIdx.x;
  if (from < n) {
    position = list.position[from];
    seen_by = list.seen_by[from];
  }
  __syncthreads();
  if (from < n) {
    list.position[threadIdx.x] = position;
    list.seen_by[threadIdx.x] = seen_by;
  }
  __syncthreads();
}

// Grid: spans x groups of configurations.
template <std::uint32_t kQuads>
__global__ void __launch_bounds__(kTileThreads)
    output_error_kernel(EvaluationRows rows, EvaluationConfigs configs, const float* mass, const float* full_output,
                        float* error_square, float scale) {
  constexpr std::uint32_t kConfigs = kBlockConfigs<kQuads>;
  __shared__ DotStage stage;
  __shared__ ProbTile prob;
  __shared__ VisibleList list;
  const RowSpan span = rows.span[blockIdx.x];
  const std::uint32_t kv_head = kv_head_of(rows, span);
  const std::uint32_t length = span_length(span);
  const std::uint32_t first_config = blockIdx.y * kConfigs;
  const std::uint32_t n_configs = min(kConfigs, configs.n_configs - first_config);
  const CornerRows corner = load_corner_rows(rows, span);
  OutputCorner<kQuads> output[kConfigs];

  std::uint32_t n_listed = 0;
  for (std::uint32_t begin = 0; begin < length; begin += kTileThreads) {
    n_listed = append_visible(rows, configs, span, first_config, n_configs, begin, n_listed, list);
    const bool last = begin + kTileThreads >= length;
    while (n_listed >= kTileKeys || (last && n_listed > 0)) {
      const std::uint32_t n_keys = min(kTileKeys, n_listed);
      float dot[kThreadSide][kThreadSide];
      dot_tile<DotOrder::fused>(
          stage, rows.head_dim, [&](std::uint32_t r) { return query_of(rows, span, r); },
          [&](std::uint32_t j) -> const float* {
            return j < n_keys ? line_of(rows.k, rows, kv_head, list.position[j]) : nullptr;
          },
          dot);
      const auto position_of = [&](std::uint32_t key) { return key < n_keys ? list.position[key] : kBeyondEveryRow; };
      store_probs(dot, scale, corner, position_of, prob);
      __syncthreads();
      for (std::uint32_t j = 0; j < n_keys; ++j) {
        const float4 p = probs_of(prob, j);
        const float* const value = line_of(rows.v, rows, kv_head, list.position[j]);
        const std::uint32_t seen_by = list.seen_by[j];
#pragma unroll
        for (std::uint32_t quad = 0; quad < kQuads; ++quad) {
          const float4 channels = channels_of(value, quad, rows.head_dim);
#pragma unroll
          for (std::uint32_t c = 0; c < kConfigs; ++c) {
            if ((seen_by >> c & 1U) != 0) add_weighted(output[c], quad, p, channels);
          }
        }
      }
      drop_front(list, n_keys, n_listed);
      n_listed -= n_keys;
    }
  }
#pragma unroll
  for (std::uint32_t c = 0; c < kConfigs; ++c) {
#pragma unroll
    for (std::uint32_t r = 0; r < kThreadSide; ++r) {
      const std::uint32_t row = corner_row() + r;
      const bool valid = row < span.n_rows && c < n_configs;
      const std::size_t index = row_index(rows, span, row < span.n_rows ? row : 0);
      const std::size_t at = index * configs.n_configs + first_config + c;
      const float inverse = valid ? inverse_or_zero(mass[at]) : 0.0F;
      const float square = square_distance(output[c], r, inverse, full_output + index * rows.head_dim, rows.head_dim);
      if (valid && corner_key() == 0) error_square[at] = square;
    }
  }
}

}  // namespace

void output_error_cuda(const EvaluationRows& rows, const EvaluationConfigs& configs, const float* mass,
                       const float* output, float* error_square, cudaStream_t stream) {
  if (rows.n_spans == 0 || configs.n_configs == 0) return;
  const float scale = 1.0F / std::sqrt(static_cast<float>(rows.head_dim));
  with_channel_quads(rows.head_dim, [&](auto quads) {
    constexpr std::uint32_t kQuads = decltype(quads)::value;
    const dim3 grid(rows.n_spans, ceil_div(configs.n_configs, kBlockConfigs<kQuads>));
    launch(output_error_kernel<kQuads>, {grid, kTileThreads}, stream, rows, configs, mass, output, error_square, scale);
  });
}

}  // namespace kvwave::kernels
