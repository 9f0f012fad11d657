#include "kernels/cuda_matrix.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/gemv_cuda.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlockWarps = kThreads / kWarp;
constexpr unsigned kBatch = 8;  // positions that share one expansion of the parameters

struct GemvTask {
  GemvInput input;
  GemvOutput outputs[kMaxGemvOutputs];
  unsigned first_block[kMaxGemvOutputs] = {};  // of each output, in units of blockIdx.x
  unsigned n_outputs = 0;
};

/// What one instantiation covers. A warp computes kRows rows at once, so that x is read once for all of them.
template <ParamType kType, unsigned kPositions, unsigned kRows>
struct Shape {
  static constexpr unsigned kValues = Format<kType>::kValues;
  static constexpr unsigned kGroups = kValues / 4;
  static constexpr unsigned kTileColumns = kPositions == 1 ? 4096 : 1024;
  static constexpr unsigned kTileSlices = kTileColumns / kValues;
  // One float4 more than slices: threads that stage neighbouring columns then write to different banks.
  static constexpr unsigned kStride = kTileSlices + 1;
  static constexpr std::size_t kSharedBytes = sizeof(float4) * kPositions * kGroups * kStride;
  static constexpr unsigned kRowsPerBlock = kBlockWarps * kRows;
};

__device__ __forceinline__ float silu(float x) {
  return x / (1.0F + expf(-x));
}

/// 1 / sqrt(mean(x^2) + epsilon) of each position, into shared memory.
template <unsigned kPositions>
__device__ void norm_scales(const GemvInput& in, unsigned cols, unsigned first, float* scales) {
  for (unsigned p = 0; p < kPositions; ++p) {
    if (first + p >= in.n_positions) break;
    const float* x = in.x + std::size_t{first + p} * in.stride;
    double sum = 0;
    for (unsigned i = threadIdx.x; i < cols; i += kThreads)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    sum = block_reduce(sum, Sum{}, 0.0);
    if (threadIdx.x == 0) {
      scales[p] = static_cast<float>(1.0 / sqrt(sum / static_cast<double>(cols) + static_cast<double>(in.epsilon)));
    }
  }
}

__device__ __forceinline__ float4 load_columns(const float* values, unsigned column, unsigned cols) {
  if (column + 4 <= cols) return *reinterpret_cast<const float4*>(values + column);
  float4 loaded{0, 0, 0, 0};
  if (column < cols) loaded.x = values[column];
  if (column + 1 < cols) loaded.y = values[column + 1];
  if (column + 2 < cols) loaded.z = values[column + 2];
  return loaded;
}

/// Four columns of the input of one position, after norm or gate; zero beyond the last.
__device__ float4 input_columns(const GemvInput& in, unsigned position, unsigned column, unsigned cols, float scale) {
  if (position >= in.n_positions || column >= cols) return {0, 0, 0, 0};
  const std::size_t at = std::size_t{position} * in.stride;
  float4 x = load_columns(in.x + at, column, cols);
  if (in.norm != nullptr) {
    const float4 weight = load_columns(in.norm, column, cols);
    x = {x.x * scale * weight.x, x.y * scale * weight.y, x.z * scale * weight.z, x.w * scale * weight.w};
  }
  if (in.up != nullptr) {
    const float4 up = load_columns(in.up + at, column, cols);
    x = {silu(x.x) * up.x, silu(x.y) * up.y, silu(x.z) * up.z, silu(x.w) * up.w};
  }
  return x;
}

/// Grid: (blocks of rows of all outputs, blocks of positions).
template <ParamType kType, unsigned kPositions, unsigned kRows>
__global__ void __launch_bounds__(kThreads) gemv_kernel(const __grid_constant__ GemvTask task) {
  using S = Shape<kType, kPositions, kRows>;
  auto* tile = dynamic_shared<float4>();  // [position][group][slice]
  __shared__ float scales[kPositions];

  unsigned which = 0;
  while (which + 1 < task.n_outputs && blockIdx.x >= task.first_block[which + 1]) ++which;
  const GemvOutput& output = task.outputs[which];
  const GemvInput& in = task.input;
  const unsigned cols = output.w.cols;
  const unsigned first_position = blockIdx.y * kPositions;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned first_row = (blockIdx.x - task.first_block[which]) * S::kRowsPerBlock + warp * kRows;

  if (in.norm != nullptr) norm_scales<kPositions>(in, cols, first_position, scales);
  float sums[kRows][kPositions] = {};
  for (unsigned tile_column = 0; tile_column < cols; tile_column += S::kTileColumns) {
    __syncthreads();  // the scales are there, the previous tile is no longer read
    const unsigned tile_width = min(S::kTileColumns, (cols - tile_column + S::kValues - 1) / S::kValues * S::kValues);
    for (unsigned i = threadIdx.x; i < kPositions * (tile_width / 4); i += kThreads) {
      const unsigned p = i / (tile_width / 4);
      const unsigned column = i % (tile_width / 4) * 4;
      const SlicePlace place = Format<kType>::place_of(column);
      const float scale = in.norm != nullptr ? scales[p] : 1.0F;
      tile[(p * S::kGroups + place.group) * S::kStride + place.slice] =
          input_columns(in, first_position + p, tile_column + column, cols, scale);
    }
    __syncthreads();
    const unsigned first_slice = tile_column / S::kValues;
    for (unsigned slice = lane; slice < tile_width / S::kValues; slice += kWarp) {
#pragma unroll
      for (unsigned r = 0; r < kRows; ++r) {
        const unsigned row = min(first_row + r, output.w.rows - 1);  // beyond the end: computed, not written
        float w[S::kValues];
        Format<kType>::expand(output.w, row, first_slice + slice, w);
#pragma unroll
        for (unsigned p = 0; p < kPositions; ++p) {
#pragma unroll
          for (unsigned g = 0; g < S::kGroups; ++g) {
            const float4 x = tile[(p * S::kGroups + g) * S::kStride + slice];
            sums[r][p] += (w[4 * g] * x.x + w[4 * g + 1] * x.y) + (w[4 * g + 2] * x.z + w[4 * g + 3] * x.w);
          }
        }
      }
    }
  }
#pragma unroll
  for (unsigned r = 0; r < kRows; ++r) {
#pragma unroll
    for (unsigned p = 0; p < kPositions; ++p) {
      const float sum = warp_reduce(sums[r][p], Sum{});
      const unsigned row = first_row + r;
      if (lane != 0 || row >= output.w.rows || first_position + p >= in.n_positions) continue;
      float* out = output.out + std::size_t{first_position + p} * output.stride + row;
      const float biased = output.bias != nullptr ? sum + output.bias[row] : sum;
      *out = output.accumulate ? *out + biased : biased;
    }
  }
}

template <ParamType kType, unsigned kPositions, unsigned kRows>
void launch_shape(GemvTask& task, cudaStream_t stream) {
  using S = Shape<kType, kPositions, kRows>;
  unsigned blocks = 0;
  for (unsigned i = 0; i < task.n_outputs; ++i) {
    task.first_block[i] = blocks;
    blocks += ceil_div(task.outputs[i].w.rows, S::kRowsPerBlock);
  }
  launch(gemv_kernel<kType, kPositions, kRows>,
         {dim3(blocks, ceil_div(task.input.n_positions, kPositions)), kThreads, S::kSharedBytes}, stream, task);
}

void launch_task(GemvTask& task, cudaStream_t stream) {
  // Few rows are spread over more blocks; many share what each block stages.
  constexpr unsigned kManyRows = 8192;
  unsigned rows = 0;
  for (unsigned i = 0; i < task.n_outputs; ++i) rows += task.outputs[i].w.rows;
  with_param_type(task.outputs[0].w.type, [&]<ParamType kType>() {
    if (task.input.n_positions > 1) {
      launch_shape<kType, kBatch, 2>(task, stream);
    } else if (rows >= kManyRows) {
      launch_shape<kType, 1, 4>(task, stream);
    } else {
      launch_shape<kType, 1, 1>(task, stream);
    }
  });
}

}  // namespace

void gemv_cuda(const GemvInput& input, const GemvOutput* outputs, unsigned n_outputs, cudaStream_t stream) {
  for (unsigned i = 0; i < n_outputs;) {
    GemvTask task;
    task.input = input;
    const ParamType type = outputs[i].w.type;
    for (; i < n_outputs && outputs[i].w.type == type && task.n_outputs < kMaxGemvOutputs; ++i) {
      task.outputs[task.n_outputs++] = outputs[i];
    }
    launch_task(task, stream);
  }
}

}  // namespace kvwave::kernels
