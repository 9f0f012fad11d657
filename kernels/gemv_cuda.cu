#include "kernels/activation_inputs.cuh"
#include "kernels/cuda_matrix.cuh"
#include "kernels/cuda_reduce.cuh"
#include "kernels/gemv_cuda.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlockWarps = kThreads / kWarp;
constexpr unsigned kTileColumns = 4096;  // of the input, in shared memory at a time; a multiple of every block length

struct GemvTask {
  GemvInput input;
  GemvOutput outputs[kMaxGemvOutputs];
  unsigned first_block[kMaxGemvOutputs] = {};  // of each output, in units of blockIdx.x
  unsigned n_outputs = 0;
};

/// The input tile is [group][slice] of float4, one slice more than there are: threads that stage neighbouring columns
/// then write to different banks.
template <ParamType kType>
struct Tile {
  static constexpr unsigned kValues = Format<kType>::kValues;
  static constexpr unsigned kGroups = kValues / 4;
  static constexpr unsigned kSlices = kTileColumns / kValues;
  static constexpr unsigned kStride = kSlices + 1;
  static constexpr std::size_t kBytes = sizeof(float4) * kGroups * kStride;
};

/// Asks for the first 4 KiB of a row, a line per lane, while the block still prepares its input.
template <ParamType kType>
__device__ __forceinline__ void prefetch_row(const DeviceMatrix& w, std::size_t row) {
#ifdef CUDASIM
  static_cast<void>(w), static_cast<void>(row);
#else
  constexpr std::size_t kLine = 128;
  const std::size_t at = threadIdx.x % kWarp * kLine;
  const unsigned char* start = Format<kType>::row_start(w, row);
  const std::size_t bytes = static_cast<std::size_t>(Format<kType>::row_start(w, row + 1) - start);
  if (at < bytes) asm volatile("prefetch.global.L2 [%0];" ::"l"(start + at));
#endif
}

/// Sum of four products.
__device__ __forceinline__ float dot4(const float* w, const float4& x, float sum) {
  sum = fmaf(w[0], x.x, sum);
  sum = fmaf(w[1], x.y, sum);
  sum = fmaf(w[2], x.z, sum);
  return fmaf(w[3], x.w, sum);
}

/// One slice of one row times the input; x_sum: sums of the input over the halves of the slice.
template <ParamType kType>
__device__ __forceinline__ float slice_dot(const typename Format<kType>::Raw& raw, unsigned slice,
                                           const float4 (&x)[Tile<kType>::kGroups], const float (&x_sum)[2]) {
  using F = Format<kType>;
  float q[F::kValues];
  F::quants(raw, slice, q);
  float part[2] = {0, 0};
#pragma unroll
  for (unsigned g = 0; g < Tile<kType>::kGroups; ++g) part[g / 4 % 2] = dot4(q + 4 * g, x[g], part[g / 4 % 2]);
  if constexpr (F::kPlain) return part[0] + part[1];
  float scale[2], shift[2] = {0, 0};
  F::scales(raw, slice, scale, shift);
  float sum = scale[0] * part[0];
  if constexpr (F::kValues > 16) sum = fmaf(scale[1], part[1], sum);
  if constexpr (F::kShifted) sum = fmaf(shift[0], x_sum[0], fmaf(shift[1], x_sum[1], sum));
  return sum;
}

/// Grid: blocks of rows of all outputs. A warp computes kRows rows at once, so that x is read once for all of them.
template <ParamType kType, unsigned kRows>
__global__ void __launch_bounds__(kThreads) gemv_kernel(const __grid_constant__ GemvTask task) {
  using T = Tile<kType>;
  using F = Format<kType>;
  auto* tile = dynamic_shared<float4>();

  unsigned which = 0;
  while (which + 1 < task.n_outputs && blockIdx.x >= task.first_block[which + 1]) ++which;
  const GemvOutput& output = task.outputs[which];
  const GemvInput& in = task.input;
  const unsigned cols = output.w.cols;
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned first_row = ((blockIdx.x - task.first_block[which]) * kBlockWarps + threadIdx.x / kWarp) * kRows;
  const auto row_at = [&](unsigned r) { return min(first_row + r, output.w.rows - 1); };  // past the end: not written

#pragma unroll
  for (unsigned r = 0; r < kRows; ++r) prefetch_row<kType>(output.w, row_at(r));
  const float scale = in.norm != nullptr ? rms_scale(in.x, cols, in.epsilon) : 1.0F;
  float sums[kRows] = {};
  for (unsigned tile_column = 0; tile_column < cols; tile_column += kTileColumns) {
    if (tile_column != 0) __syncthreads();  // the previous tile is no longer read
    const unsigned first_slice = tile_column / F::kValues;
    const unsigned n_slices = min(T::kSlices, output.w.slices - first_slice);
    for (unsigned i = threadIdx.x; i < n_slices * T::kGroups; i += kThreads) {
      const unsigned slice = i / T::kGroups;
      const unsigned group = i % T::kGroups;
      const unsigned column = tile_column + F::column_of(slice, group);
      tile[group * T::kStride + slice] = input_columns(in.x, in.norm, in.up, scale, column, cols);
    }
    __syncthreads();
#pragma unroll(kRows == 1 ? 4 : 2)
    for (unsigned slice = lane; slice < n_slices; slice += kWarp) {
      typename F::Raw raw[kRows];
#pragma unroll
      for (unsigned r = 0; r < kRows; ++r) raw[r] = F::load(output.w, row_at(r), first_slice + slice);
      float4 x[T::kGroups];
      float x_sum[2] = {0, 0};
#pragma unroll
      for (unsigned g = 0; g < T::kGroups; ++g) {
        x[g] = tile[g * T::kStride + slice];
        if constexpr (F::kShifted) x_sum[g / 4 % 2] += (x[g].x + x[g].y) + (x[g].z + x[g].w);
      }
#pragma unroll
      for (unsigned r = 0; r < kRows; ++r) sums[r] += slice_dot<kType>(raw[r], first_slice + slice, x, x_sum);
    }
  }
#pragma unroll
  for (unsigned r = 0; r < kRows; ++r) {
    const float sum = warp_reduce(sums[r], Sum{});
    const unsigned row = first_row + r;
    if (lane != 0 || row >= output.w.rows) continue;
    const float biased = output.bias != nullptr ? sum + output.bias[row] : sum;
    output.out[row] = output.accumulate ? output.out[row] + biased : biased;
  }
}

template <ParamType kType, unsigned kRows>
void launch_rows(GemvTask& task, cudaStream_t stream) {
  unsigned blocks = 0;
  for (unsigned i = 0; i < task.n_outputs; ++i) {
    task.first_block[i] = blocks;
    blocks += ceil_div(task.outputs[i].w.rows, kBlockWarps * kRows);
  }
  launch(gemv_kernel<kType, kRows>, {blocks, kThreads, Tile<kType>::kBytes}, stream, task);
}

void launch_task(GemvTask& task, cudaStream_t stream) {
  // Few rows are spread over more blocks; many share what each block stages.
  constexpr unsigned kManyRows = 16384, kSomeRows = 4096;
  unsigned rows = 0;
  for (unsigned i = 0; i < task.n_outputs; ++i) rows += task.outputs[i].w.rows;
  with_param_type(task.outputs[0].w.type, [&]<ParamType kType>() {
    if (rows >= kManyRows) {
      launch_rows<kType, 4>(task, stream);
    } else if (rows >= kSomeRows) {
      launch_rows<kType, 2>(task, stream);
    } else {
      launch_rows<kType, 1>(task, stream);
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
