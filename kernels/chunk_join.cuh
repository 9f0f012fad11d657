// How blocks that share an attention row find out which of them ends last, and what that one does. Include it only from
// .cu files.
#pragma once

#include "kernels/cuda_reduce.cuh"

namespace kvwave::kernels {
namespace {

/// Whether this block is the last of n that come here; what the others wrote is then visible, past the L1 cache.
__device__ bool is_last(unsigned* n_done, unsigned n) {
  __shared__ bool last;
  if (n == 1) {
    __syncthreads();
    return true;
  }
  __threadfence();  // each thread's own writes before the count
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(n_done, 1U) == n - 1;
    if (last) *n_done = 0;
  }
  __syncthreads();
  if (last) __threadfence();
  return last;
}

/// Joins the chunks' outputs in their order, so that it does not matter which block does it. Reads bypass L1, which may
/// hold older bytes of the same lines.
template <unsigned kGroup, unsigned kThreads>
__device__ void join_chunks(const float2* stats, const float* chunk_out, unsigned n_chunks, unsigned max_chunks,
                            unsigned d, float* out) {
  __shared__ float2 row[kGroup];  // largest logit, 1 / sum
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = threadIdx.x / kWarp;
  if (warp < kGroup) {
    const float2* of_head = stats + std::size_t{warp} * max_chunks;
    float largest = -INFINITY;
    for (unsigned i = lane; i < n_chunks; i += kWarp) largest = fmaxf(largest, __ldcg(of_head + i).x);
    largest = warp_reduce(largest, Max{});
    float sum = 0;
    for (unsigned i = lane; i < n_chunks; i += kWarp) {
      const float2 chunk = __ldcg(of_head + i);
      sum += chunk.y * expf(chunk.x - largest);
    }
    sum = warp_reduce(sum, Sum{});
    if (lane == 0) row[warp] = make_float2(largest, sum);
  }
  __syncthreads();
  for (unsigned at = threadIdx.x; at < kGroup * d; at += kThreads) {
    const unsigned h = at / d;
    const float* of_head = chunk_out + std::size_t{h} * max_chunks * d + at % d;
    float joined = 0;
#pragma unroll 8
    for (unsigned k = 0; k < n_chunks; ++k) {
      const float weight = expf(__ldcg(&stats[std::size_t{h} * max_chunks + k].x) - row[h].x);
      joined += __ldcg(of_head + std::size_t{k} * d) * weight;
    }
    out[at] = joined / row[h].y;
  }
}

}  // namespace
}  // namespace kvwave::kernels
