#include <algorithm>
#include <chrono>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "tests/bench/device_bandwidth.h"

namespace kvwave::bench {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kBlocksPerMultiprocessor = 8;
constexpr unsigned kUnroll = 4;
constexpr int kPasses = 10;
constexpr kernels::MemoryUse kUse{"the bandwidth measurement", "free device memory"};

__device__ __forceinline__ std::size_t first_index() {
  return std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::size_t grid_stride() {
  return std::size_t{gridDim.x} * blockDim.x;
}

// The sum of zeros is never 1: the store keeps the compiler from dropping the loads.
__global__ void __launch_bounds__(kThreads) read_kernel(const float4* from, std::size_t n, float* sink) {
  float sum = 0;
#pragma unroll kUnroll
  for (std::size_t i = first_index(); i < n; i += grid_stride()) {
    const float4 value = from[i];
    sum += (value.x + value.y) + (value.z + value.w);
  }
  if (sum == 1.0F) *sink = sum;
}

__global__ void __launch_bounds__(kThreads) copy_kernel(const float4* from, float4* to, std::size_t n) {
#pragma unroll kUnroll
  for (std::size_t i = first_index(); i < n; i += grid_stride()) to[i] = from[i];
}

template <class Work>
double best_seconds(const kernels::Stream& stream, Work&& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e300;
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    work();
    stream.wait();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

Bandwidth device_bandwidth(int device, std::uint64_t bytes) {
  KVWAVE_CUDA_CHECK(cudaSetDevice(device));
  cudaDeviceProp properties{};
  KVWAVE_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  const std::size_t n = std::max<std::size_t>(bytes / 2 / sizeof(float4), 1);  // two buffers
  kernels::DeviceBuffer<float4> from(n, kUse);
  kernels::DeviceBuffer<float4> to(n, kUse);
  const kernels::Stream stream;
  from.fill_bytes(0, stream.get());
  to.fill_bytes(0, stream.get());
  stream.wait();
  const unsigned blocks = kBlocksPerMultiprocessor * static_cast<unsigned>(properties.multiProcessorCount);
  const auto size = static_cast<double>(n * sizeof(float4));
  const double read_seconds = best_seconds(stream, [&] {
    kernels::launch(read_kernel, {blocks, kThreads}, stream.get(), from.data(), n, reinterpret_cast<float*>(to.data()));
  });
  const double copy_seconds = best_seconds(stream, [&] {
    kernels::launch(copy_kernel, {blocks, kThreads}, stream.get(), from.data(), to.data(), n);
  });
  return {size / read_seconds, 2 * size / copy_seconds};
}

std::uint64_t free_device_bytes(int device) {
  KVWAVE_CUDA_CHECK(cudaSetDevice(device));
  KVWAVE_CUDA_CHECK(cudaDeviceSynchronize());
  std::size_t free = 0;
  std::size_t total = 0;
  KVWAVE_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

}  // namespace kvwave::bench
