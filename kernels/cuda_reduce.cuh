// Reductions over a warp and over a block, in a fixed order: the same input gives the same bits. Include it only from
// .cu files: the shared arrays live in each file's unnamed namespace, so that sanitizers can guard them.
#pragma once

#include "kernels/cuda_launch.cuh"

namespace kvwave::kernels {
namespace {

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

/// Reduces groups of `width` neighbouring lanes (a power of two); every lane gets its group's result. All 32 lanes
/// call.
template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T value, Op op, int width = kWarp) {
  for (int distance = width / 2; distance > 0; distance /= 2) {
    value = op(value, __shfl_xor_sync(kFullWarp, value, distance));
  }
  return value;
}

/// Every thread gets the block's result. All threads of a block of whole warps call; `identity` leaves values alone.
template <class T, class Op>
__device__ T block_reduce(T value, Op op, T identity) {
  __shared__ T partial[kWarp];
  const unsigned lane = threadIdx.x % kWarp;
  const unsigned warp = threadIdx.x / kWarp;
  value = warp_reduce(value, op);
  __syncthreads();  // the previous reduction may still be read
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  return warp_reduce(lane < blockDim.x / kWarp ? partial[lane] : identity, op);
}

}  // namespace
}  // namespace kvwave::kernels
