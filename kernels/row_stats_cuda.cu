// Cuts are found by radix selection on the bits of the probabilities, which order as the values do: counts and exact
// masses per digit tell in which digit a target is reached; the next pass looks at the next digit of those values only.
// All targets of a row, the demand grid and the covering set, share the passes.
#include <cmath>

#include "kernels/cuda_reduce.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_units.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kTargets = kMaxRho + 1;
constexpr unsigned kBins = 2048;  // first digit: bits 19 and up
constexpr unsigned kFirstShift = 19;
constexpr unsigned kFineBins = 128;  // of each target in the later passes
constexpr unsigned kUnreachable = 0xffffffffU;

struct SharedState {
  Units sum[kBins];
  unsigned count[kBins];
  // Per target: the bits found so far, what is still needed, how many entries lie above.
  unsigned prefix[kTargets];
  Units need[kTargets];
  unsigned above[kTargets];
};

/// Finds, from the largest digit down, the one in which the target is reached; one warp a target.
__device__ void descend(SharedState& s, unsigned target, unsigned first_bin, unsigned n_bins, unsigned digit_bits) {
  const unsigned lane = threadIdx.x % kWarp;
  const Units need = s.need[target];
  Units sum_above = 0;
  unsigned count_above = 0;
  for (unsigned done = 0; done < n_bins; done += kWarp) {
    const unsigned digit = n_bins - 1 - done - lane;  // n_bins is a multiple of the warp
    Units sum = s.sum[first_bin + digit];
    unsigned count = s.count[first_bin + digit];
    for (unsigned distance = 1; distance < kWarp; distance *= 2) {
      const Units other_sum = __shfl_up_sync(kFullWarp, sum, distance);
      const unsigned other_count = __shfl_up_sync(kFullWarp, count, distance);
      if (lane >= distance) {
        sum += other_sum;
        count += other_count;
      }
    }
    const unsigned reached = __ballot_sync(kFullWarp, sum_above + sum >= need ? 1 : 0);
    if (reached != 0) {
      const int at = __ffs(static_cast<int>(reached)) - 1;
      // What lies above the lane's own digit.
      const Units before_sum = at == 0 ? 0 : __shfl_sync(kFullWarp, sum, at - 1);
      const unsigned before_count = at == 0 ? 0 : __shfl_sync(kFullWarp, count, at - 1);
      __syncwarp();  // every lane has read the target's state
      if (lane == 0) {
        s.prefix[target] = s.prefix[target] << digit_bits | (n_bins - 1 - done - static_cast<unsigned>(at));
        s.need[target] = need - sum_above - before_sum;
        s.above[target] += count_above + before_count;
      }
      return;
    }
    sum_above += __shfl_sync(kFullWarp, sum, kWarp - 1);
    count_above += __shfl_sync(kFullWarp, count, kWarp - 1);
  }
}

struct RowScan {
  Units total, sink, recent;
  double entropy;
  unsigned max_bits, n_invalid;
};

/// Largest logit and sum of exponentials of a whole row.
__device__ float2 row_scale(const float2* chunks, unsigned n_chunks) {
  float largest = -INFINITY;
  for (unsigned i = threadIdx.x; i < n_chunks; i += kThreads) largest = fmaxf(largest, chunks[i].x);
  largest = block_reduce(largest, Max{}, -INFINITY);
  float sum = 0;
  for (unsigned i = threadIdx.x; i < n_chunks; i += kThreads) sum += chunks[i].y * expf(chunks[i].x - largest);
  return make_float2(largest, block_reduce(sum, Sum{}, 0.0F));
}

/// First pass: exponentials become probabilities; everything that needs each value once, and the histogram of the first
/// digit.
__device__ RowScan scan_row(float* row, const float2* chunks, unsigned n, const RowStatsTask& task, SharedState& s) {
  RowScan scan{};
  const float2 whole = row_scale(chunks, chunks_of(n));
  for (unsigned i = threadIdx.x; i < n; i += kThreads) {
    const float prob = row[i] * (expf(chunks[i / kChunkKeys].x - whole.x) / whole.y);
    row[i] = prob;
    const unsigned bits = __float_as_uint(prob);
    if (bits >= kTwo) {
      ++scan.n_invalid;
      continue;
    }
    const Units units = units_of(bits);
    scan.total += units;
    if (i < task.n_sink) scan.sink += units;
    if (i + task.n_recent >= n) scan.recent += units;
    scan.max_bits = max(scan.max_bits, bits);
    if (bits != 0) scan.entropy -= static_cast<double>(__uint_as_float(bits) * logf(__uint_as_float(bits)));
    atomicAdd(&s.sum[bits >> kFirstShift], units);
    atomicAdd(&s.count[bits >> kFirstShift], 1U);
  }
  scan.total = block_reduce(scan.total, Sum{}, Units{0});
  scan.sink = block_reduce(scan.sink, Sum{}, Units{0});
  scan.recent = block_reduce(scan.recent, Sum{}, Units{0});
  scan.entropy = block_reduce(scan.entropy, Sum{}, 0.0);
  scan.max_bits = block_reduce(scan.max_bits, Max{}, 0U);
  scan.n_invalid = block_reduce(scan.n_invalid, Sum{}, 0U);
  return scan;
}

__device__ void clear_bins(SharedState& s) {
  for (unsigned i = threadIdx.x; i < kBins; i += kThreads) {
    s.sum[i] = 0;
    s.count[i] = 0;
  }
  __syncthreads();
}

/// The later digits: seven, six and six bits.
__device__ void refine(const float* row, unsigned n, unsigned n_targets, SharedState& s) {
  unsigned shift = kFirstShift;
  for (const unsigned digit_bits : {7U, 6U, 6U}) {
    clear_bins(s);
    const unsigned next = shift - digit_bits;
    for (unsigned i = threadIdx.x; i < n; i += kThreads) {
      const unsigned bits = __float_as_uint(row[i]);
      const unsigned digit = bits >> next & ((1U << digit_bits) - 1);
      for (unsigned t = 0; t < n_targets; ++t) {
        if (bits >> shift != s.prefix[t]) continue;  // never equal for a target out of reach
        atomicAdd(&s.sum[t * kFineBins + digit], units_of(bits));
        atomicAdd(&s.count[t * kFineBins + digit], 1U);
      }
    }
    __syncthreads();
    for (unsigned t = threadIdx.x / kWarp; t < n_targets; t += kThreads / kWarp) {
      if (s.prefix[t] != kUnreachable) descend(s, t, t * kFineBins, 1U << digit_bits, digit_bits);
    }
    __syncthreads();
    shift = next;
  }
}

/// Grid: rows. Statistics of a row, and the cut of its covering set.
__global__ void __launch_bounds__(kThreads) row_cut_kernel(const __grid_constant__ RowStatsTask task) {
  __shared__ SharedState s;
  const std::size_t at = blockIdx.x;
  const unsigned n = task.length;
  float* row = task.rows + at * task.row_stride;
  std::uint32_t* demand = task.out.demand + at * task.n_rho;

  clear_bins(s);
  const RowScan scan = scan_row(row, task.chunk_stats + at * task.max_chunks, n, task, s);
  const unsigned n_targets = task.n_rho + 1;
  if (scan.n_invalid != 0) {
    for (unsigned i = threadIdx.x; i < task.n_rho; i += kThreads) demand[i] = n;
    if (threadIdx.x == 0) {
      task.out.stats[at] = {NAN, NAN, NAN, NAN};
      task.out.n_invalid[at] = scan.n_invalid;
      task.out.count[at] = 0;
      task.out.residual[at] = 1;
      task.cuts[at] = {kTwo, 0, 0};
    }
    return;
  }

  const auto cover = static_cast<Units>(ceil(task.keep * static_cast<double>(scan.total)));
  const bool keep_all = task.keep >= 1 || cover == 0;
  if (threadIdx.x < n_targets) {
    const bool is_cover = threadIdx.x == task.n_rho;
    const Units need = is_cover ? cover : task.rho_target[threadIdx.x];
    const bool reachable = is_cover ? task.covering && !keep_all : need <= scan.total;
    s.need[threadIdx.x] = need;
    s.above[threadIdx.x] = 0;
    s.prefix[threadIdx.x] = reachable ? 0 : kUnreachable;
  }
  __syncthreads();
  for (unsigned t = threadIdx.x / kWarp; t < n_targets; t += kThreads / kWarp) {
    if (s.prefix[t] != kUnreachable) descend(s, t, 0, kBins, 0);
  }
  __syncthreads();
  refine(row, n, n_targets, s);

  // Values equal to the threshold are taken until the target is reached.
  if (threadIdx.x < n_targets) {
    const unsigned t = threadIdx.x;
    const bool reachable = s.prefix[t] != kUnreachable;
    unsigned taken = 0;
    if (reachable) {
      const Units each = units_of(s.prefix[t]);
      taken = static_cast<unsigned>((s.need[t] + each - 1) / each);
    }
    if (t < task.n_rho) {
      demand[t] = reachable ? s.above[t] + taken : n;
    } else {
      task.out.count[at] = !task.covering ? 0 : reachable ? s.above[t] + taken : n;
      task.cuts[at] = !task.covering ? make_uint3(kTwo, 0, 0)
                      : reachable    ? make_uint3(s.prefix[t], taken, 0)
                                     : make_uint3(0, kUnreachable, 0);
    }
  }
  if (threadIdx.x == 0) {
    task.out.stats[at] = {static_cast<float>(scan.entropy > 0 ? scan.entropy : 0.0), mass_of(scan.sink),
                          mass_of(scan.recent), __uint_as_float(scan.max_bits)};
    task.out.n_invalid[at] = 0;
    if (!task.covering) task.out.residual[at] = 1;
  }
}

}  // namespace

void row_stats_cuda(const RowStatsTask& task, cudaStream_t stream) {
  launch(row_cut_kernel, {task.n_rows, kThreads}, stream, task);
  if (task.covering) covering_sets_cuda(task, stream);
}

}  // namespace kvwave::kernels
