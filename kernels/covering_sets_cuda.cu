#include <cuda_fp16.h>

#include "kernels/cuda_reduce.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_units.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kOffsetThreads = 1024;

/// One block: where each row's entries start. Each thread adds up neighbouring rows, then the threads' sums are joined.
__global__ void __launch_bounds__(kOffsetThreads) offset_kernel(const __grid_constant__ RowStatsTask task) {
  __shared__ unsigned warp_sums[kOffsetThreads / kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned each = ceil_div(task.n_rows, kOffsetThreads);
  const unsigned first = threadIdx.x * each;
  const unsigned end = min(first + each, task.n_rows);
  unsigned sum = 0;
  for (unsigned row = first; row < end; ++row) sum += task.out.count[row];
  unsigned through = sum;
  for (unsigned distance = 1; distance < kWarp; distance *= 2) {
    const unsigned other = __shfl_up_sync(kFullWarp, through, distance);
    if (lane >= distance) through += other;
  }
  if (lane == kWarp - 1) warp_sums[warp] = through;
  __syncthreads();
  unsigned base = through - sum;
  unsigned all = 0;
  for (unsigned w = 0; w < kOffsetThreads / kWarp; ++w) {
    if (w < warp) base += warp_sums[w];
    all += warp_sums[w];
  }
  for (unsigned row = first; row < end; ++row) {
    task.cuts[row].z = base;
    base += task.out.count[row];
  }
  if (threadIdx.x == 0) *task.sets.total = all;
}

/// Exclusive rank of the threads that raise `flag`, and how many do, in thread order.
__device__ uint2 block_rank(bool flag, unsigned* warp_counts) {
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = threadIdx.x / kWarp;
  const unsigned votes = __ballot_sync(kFullWarp, flag ? 1 : 0);
  __syncthreads();  // the previous counts are no longer read
  if (lane == 0) warp_counts[warp] = static_cast<unsigned>(__popc(votes));
  __syncthreads();
  unsigned before = static_cast<unsigned>(__popc(votes & ((1U << lane) - 1)));
  unsigned all = 0;
  for (unsigned w = 0; w < kThreads / kWarp; ++w) {
    if (w < warp) before += warp_counts[w];
    all += warp_counts[w];
  }
  return {before, all};
}

/// Smallest float that is not below the mass that is not stored.
__device__ float residual_of(Units stored) {
  const double residual = 1.0 - static_cast<double>(stored) / static_cast<double>(kSumScale);
  if (!(residual > 0)) return 0;
  const auto nearest = static_cast<float>(residual);
  return static_cast<double>(nearest) >= residual ? nearest : __uint_as_float(__float_as_uint(nearest) + 1);
}

/// Grid: rows. Writes the entries of the covering set in ascending position, and the residual of what was stored.
__global__ void __launch_bounds__(kThreads) covering_kernel(const __grid_constant__ RowStatsTask task) {
  __shared__ unsigned warp_counts[kThreads / kWarp];
  const std::size_t at = blockIdx.x;
  const unsigned n = task.length;
  const float* row = task.rows + at * task.row_stride;
  if (task.out.n_invalid[at] != 0) return;
  const uint3 cut = task.cuts[at];
  std::size_t written = cut.z;
  unsigned ties = 0;
  Units stored = 0;
  for (unsigned first = 0; first < n; first += kThreads) {
    const unsigned i = first + threadIdx.x;
    const unsigned bits = i < n ? __float_as_uint(row[i]) : 0;
    const bool tie = i < n && bits == cut.x;
    const uint2 tie_rank = block_rank(tie, warp_counts);
    const bool keep = i < n && (bits > cut.x || (tie && ties + tie_rank.x < cut.y));
    const uint2 rank = block_rank(keep, warp_counts);
    if (keep) {
      const std::size_t to = written + rank.x;
      task.sets.position[to] = i;
      if (task.sets.type == ProbType::f16) {
        const __half value = __float2half_rz(__uint_as_float(bits));
        static_cast<__half*>(task.sets.prob)[to] = value;
        stored += units_of(__float_as_uint(__half2float(value)));
      } else {
        static_cast<float*>(task.sets.prob)[to] = __uint_as_float(bits);
        stored += units_of(bits);
      }
    }
    ties += tie_rank.y;
    written += rank.y;
  }
  stored = block_reduce(stored, Sum{}, Units{0});
  if (threadIdx.x == 0) task.out.residual[at] = residual_of(stored);
}

}  // namespace

void covering_sets_cuda(const RowStatsTask& task, cudaStream_t stream) {
  launch(offset_kernel, {1, kOffsetThreads}, stream, task);
  launch(covering_kernel, {task.n_rows, kThreads}, stream, task);
}

}  // namespace kvwave::kernels
