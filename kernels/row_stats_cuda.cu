// Cuts are found by radix selection on the bits of the probabilities, which order as the values do: counts and exact
// masses per digit tell in which digit a target is reached; the next pass looks at the next digit of those values only.
// All targets of a row, the demand grid and the covering set, share the passes.
#include <cmath>
#include <cuda_fp16.h>

#include "kernels/cuda_reduce.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_stats_passes.h"

namespace kvwave::kernels {
namespace {

using Units = unsigned long long;  // multiples of 2^-42, see row_stats_sums.h

constexpr unsigned kThreads = 256;
constexpr unsigned kTargets = kMaxRho + 1;
constexpr unsigned kTwo = 0x40000000U;  // bits of 2.0: all that is no probability lies at or above
constexpr unsigned kBins = 2048;        // first digit: bits 19 and up
constexpr unsigned kFirstShift = 19;
constexpr unsigned kFineBins = 128;  // of each target in the later passes
constexpr unsigned kUnreachable = 0xffffffffU;

__device__ __forceinline__ Units units_of(unsigned bits) {
  return static_cast<Units>(static_cast<long long>(__uint_as_float(bits) * kSumScale));
}
__device__ __forceinline__ float mass_of(Units units) {
  return static_cast<float>(static_cast<double>(units) / static_cast<double>(kSumScale));
}

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

/// First pass: everything that needs each value once, and the histogram of the first digit.
__device__ RowScan scan_row(const float* row, unsigned n, const RowStatsTask& task, SharedState& s) {
  RowScan scan{};
  for (unsigned i = threadIdx.x; i < n; i += kThreads) {
    const unsigned bits = __float_as_uint(row[i]);
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

/// Grid: q_heads. Statistics of a row, and the cut of its covering set.
__global__ void __launch_bounds__(kThreads)
    row_cut_kernel(const __grid_constant__ RowStatsTask task, const StepInput* input) {
  __shared__ SharedState s;
  const unsigned head = blockIdx.x;
  const unsigned n = input->first + 1;
  const float* row = task.rows + head * task.row_stride;
  std::uint32_t* demand = task.out.demand + input->slot * task.word_slot + std::size_t{head} * task.n_rho;
  const std::size_t at = input->slot * task.word_slot + head;

  clear_bins(s);
  const RowScan scan = scan_row(row, n, task, s);
  const unsigned n_targets = task.n_rho + 1;
  if (scan.n_invalid != 0) {
    for (unsigned i = threadIdx.x; i < task.n_rho; i += kThreads) demand[i] = n;
    if (threadIdx.x == 0) {
      task.out.stats[input->slot * task.stats_slot + head] = {NAN, NAN, NAN, NAN};
      task.out.n_invalid[at] = scan.n_invalid;
      task.out.count[at] = 0;
      task.out.residual[at] = 1;
      task.cuts[head] = {kTwo, 0, 0};
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
      task.cuts[head] = !task.covering ? make_uint3(kTwo, 0, 0)
                        : reachable    ? make_uint3(s.prefix[t], taken, 0)
                                       : make_uint3(0, kUnreachable, 0);
    }
  }
  if (threadIdx.x == 0) {
    task.out.stats[input->slot * task.stats_slot + head] = {static_cast<float>(scan.entropy > 0 ? scan.entropy : 0.0),
                                                            mass_of(scan.sink), mass_of(scan.recent),
                                                            __uint_as_float(scan.max_bits)};
    task.out.n_invalid[at] = 0;
    if (!task.covering) task.out.residual[at] = 1;
  }
}

/// One warp: where each head's entries start.
__global__ void offset_kernel(const __grid_constant__ RowStatsTask task, const StepInput* input) {
  const unsigned lane = threadIdx.x;
  unsigned base = task.first_layer ? 0 : task.sets.total[input->slot * task.word_slot];
  const std::uint32_t* counts = task.out.count + input->slot * task.word_slot;
  for (unsigned first = 0; first < task.n_q_heads; first += kWarp) {
    const unsigned head = first + lane;
    const unsigned count = head < task.n_q_heads ? counts[head] : 0;
    unsigned through = count;
    for (unsigned distance = 1; distance < kWarp; distance *= 2) {
      const unsigned other = __shfl_up_sync(kFullWarp, through, distance);
      if (lane >= distance) through += other;
    }
    if (head < task.n_q_heads) task.cuts[head].z = base + through - count;
    base += __shfl_sync(kFullWarp, through, kWarp - 1);
  }
  __syncwarp();  // every lane has read the old total
  if (lane == 0) task.sets.total[input->slot * task.word_slot] = base;
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

/// Grid: q_heads. Writes the entries of the covering set in ascending position, and the residual of what was stored.
__global__ void __launch_bounds__(kThreads)
    covering_kernel(const __grid_constant__ RowStatsTask task, const StepInput* input) {
  __shared__ unsigned warp_counts[kThreads / kWarp];
  const unsigned head = blockIdx.x;
  const unsigned n = input->first + 1;
  const float* row = task.rows + head * task.row_stride;
  const std::size_t at = input->slot * task.word_slot + head;
  if (task.out.n_invalid[at] != 0) return;
  const uint3 cut = task.cuts[head];
  const std::size_t slot = input->slot * task.entry_slot;
  unsigned written = cut.z;
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
      const std::size_t to = slot + written + rank.x;
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

void row_stats_cuda(const RowStatsTask& task, const StepInput* input, cudaStream_t stream) {
  launch(row_cut_kernel, {task.n_q_heads, kThreads}, stream, task, input);
  if (!task.covering) return;
  launch(offset_kernel, {1, kWarp}, stream, task, input);
  launch(covering_kernel, {task.n_q_heads, kThreads}, stream, task, input);
}

}  // namespace kvwave::kernels
