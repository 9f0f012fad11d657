#include "kernels/activation_inputs.cuh"
#include "kernels/cuda_matrix.cuh"
#include "kernels/gemm_cuda.cuh"
#include "kernels/tensor_core.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kTileRows = 64, kTilePositions = 64;
constexpr unsigned kTileDepth = 128;  // columns at a time: whole slices of every type, half a block of 256
// Four floats more than columns: the rows of a fragment then lie in different banks.
constexpr unsigned kLine = kTileDepth + 4;
constexpr std::size_t kSharedBytes = sizeof(float) * (kTileRows + kTilePositions) * kLine;
constexpr unsigned kRowWarps = kTileRows / kMmaRows;                                  // warps above one another
constexpr unsigned kWarpPositions = kTilePositions / (kThreads / kWarp / kRowWarps);  // of one warp
constexpr unsigned kWarpTiles = kWarpPositions / kMmaColumns;

struct GemmTask {
  const float* x = nullptr;
  unsigned stride = 0, n_positions = 0;
  GemmOutput outputs[kMaxGemvOutputs];
  unsigned first_block[kMaxGemvOutputs] = {};
  unsigned n_outputs = 0;
};

/// Expands columns [first_column, + kTileDepth) of rows [first_row, + kTileRows); zeros beyond the matrix.
template <ParamType kType>
__device__ void stage_rows(const DeviceMatrix& w, unsigned first_row, unsigned first_column, float* tile) {
  using F = Format<kType>;
  constexpr unsigned kSlices = kTileDepth / F::kValues;
  const unsigned first_slice = first_column / F::kValues;
  for (unsigned i = threadIdx.x; i < kTileRows * kSlices; i += kThreads) {
    const unsigned slice = i % kSlices;
    const unsigned row = i / kSlices;
    float values[F::kValues] = {};
    if (first_row + row < w.rows && first_slice + slice < w.slices) {
      expand_slice<kType>(w, first_row + row, first_slice + slice, values);
    }
#pragma unroll
    for (unsigned g = 0; g < F::kValues / 4; ++g) {
      *reinterpret_cast<float4*>(tile + row * kLine + F::column_of(slice + first_slice, g) - first_column) =
          make_float4(values[4 * g], values[4 * g + 1], values[4 * g + 2], values[4 * g + 3]);
    }
  }
}

__device__ void stage_positions(const GemmTask& task, unsigned first_position, unsigned first_column, unsigned cols,
                                float* tile) {
  constexpr unsigned kQuads = kTileDepth / 4;
  for (unsigned i = threadIdx.x; i < kTilePositions * kQuads; i += kThreads) {
    const unsigned position = i / kQuads;
    const unsigned column = i % kQuads * 4;
    float4 x{0, 0, 0, 0};
    if (first_position + position < task.n_positions) {
      x = load_columns(task.x + std::size_t{first_position + position} * task.stride, first_column + column, cols);
    }
    *reinterpret_cast<float4*>(tile + position * kLine + column) = x;
  }
}

/// Grid: (tiles of rows of all outputs, tiles of positions). A warp computes 16 rows of 32 positions.
template <ParamType kType>
__global__ void __launch_bounds__(kThreads) gemm_kernel(const __grid_constant__ GemmTask task) {
  constexpr bool kExact = Format<kType>::kSignificand <= 11;
  float* w_tile = dynamic_shared<float>();
  float* x_tile = w_tile + kTileRows * kLine;
  unsigned which = 0;
  while (which + 1 < task.n_outputs && blockIdx.x >= task.first_block[which + 1]) ++which;
  const GemmOutput& output = task.outputs[which];
  const unsigned first_row = (blockIdx.x - task.first_block[which]) * kTileRows;
  const unsigned first_position = blockIdx.y * kTilePositions;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned warp_row = warp % kRowWarps * kMmaRows;
  const unsigned warp_position = warp / kRowWarps * kWarpPositions;
  const unsigned group = mma_group(), member = mma_member();

  // Fragments of this warp that hold anything; the same in all its lanes.
  const unsigned n_left = min(task.n_positions - first_position, kTilePositions);
  const unsigned n_tiles = first_row + warp_row >= output.w.rows || n_left <= warp_position
                               ? 0
                               : ceil_div(n_left - warp_position, kMmaColumns);

  float total[kWarpTiles][4] = {};
  for (unsigned column = 0; column < output.w.cols; column += kTileDepth) {
    __syncthreads();  // the previous tile is no longer read
    stage_rows<kType>(output.w, first_row, column, w_tile);
    stage_positions(task, first_position, column, output.w.cols, x_tile);
    __syncthreads();
    const float* w = w_tile + (warp_row + group) * kLine + member;
    const float* x = x_tile + (warp_position + group) * kLine + member;
    for (unsigned first = 0; first < kTileDepth && n_tiles != 0; first += kPromotedDepth) {
      float sum[kWarpTiles][4] = {};
#pragma unroll
      for (unsigned k = first; k < first + kPromotedDepth; k += kMmaDepth) {
        FragmentA<kExact> a;
        a.set(0, w[k]);
        a.set(1, w[8 * kLine + k]);
        a.set(2, w[k + 4]);
        a.set(3, w[8 * kLine + k + 4]);
#pragma unroll
        for (unsigned n = 0; n < kWarpTiles; ++n) {
          if (n >= n_tiles) continue;
          FragmentB<false> b;
          b.set(0, x[n * kMmaColumns * kLine + k]);
          b.set(1, x[n * kMmaColumns * kLine + k + 4]);
          multiply(sum[n], a, b);
        }
      }
#pragma unroll
      for (unsigned n = 0; n < kWarpTiles; ++n) add_rounded(total[n], sum[n]);
    }
  }
#pragma unroll
  for (unsigned n = 0; n < kWarpTiles; ++n) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = first_row + warp_row + group + i / 2 * 8;
      const unsigned position = first_position + warp_position + n * kMmaColumns + member * 2 + i % 2;
      if (row >= output.w.rows || position >= task.n_positions) continue;
      float* out = output.out + std::size_t{position} * output.stride + row;
      const float biased = output.bias != nullptr ? total[n][i] + output.bias[row] : total[n][i];
      *out = output.accumulate ? *out + biased : biased;
    }
  }
}

/// Grid: positions.
__global__ void __launch_bounds__(kThreads)
    prepare_input_kernel(GemvInput in, unsigned cols, unsigned stride, float* out) {
  const std::size_t at = std::size_t{blockIdx.x} * stride;
  const float scale = in.norm != nullptr ? rms_scale(in.x + at, cols, in.epsilon) : 1.0F;
  for (unsigned column = threadIdx.x * 4; column < cols; column += kThreads * 4) {
    *reinterpret_cast<float4*>(out + at + column) =
        input_columns(in.x + at, in.norm, in.up != nullptr ? in.up + at : nullptr, scale, column, cols);
  }
}

}  // namespace

void gemm_cuda(const float* x, unsigned stride, unsigned n_positions, const GemmOutput* outputs, unsigned n_outputs,
               cudaStream_t stream) {
  for (unsigned i = 0; i < n_outputs;) {
    GemmTask task;
    task.x = x;
    task.stride = stride;
    task.n_positions = n_positions;
    const ParamType type = outputs[i].w.type;
    unsigned blocks = 0;
    for (; i < n_outputs && outputs[i].w.type == type && task.n_outputs < kMaxGemvOutputs; ++i) {
      task.first_block[task.n_outputs] = blocks;
      task.outputs[task.n_outputs++] = outputs[i];
      blocks += ceil_div(outputs[i].w.rows, kTileRows);
    }
    with_param_type(type, [&]<ParamType kType>() {
      launch(gemm_kernel<kType>, {dim3(blocks, ceil_div(n_positions, kTilePositions)), kThreads, kSharedBytes}, stream,
             task);
    });
  }
}

void prepare_input_cuda(const GemvInput& input, unsigned cols, unsigned stride, unsigned n_positions, float* out,
                        cudaStream_t stream) {
  launch(prepare_input_kernel, {n_positions, kThreads}, stream, input, cols, stride, out);
}

}  // namespace kvwave::kernels
