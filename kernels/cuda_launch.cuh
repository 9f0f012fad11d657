// How kernels are started and how they reach their dynamic shared memory, spelled so that the same source compiles as
// plain C++ for the tests that run it on the CPU.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/cuda_check.cuh"

namespace kvwave::kernels {

inline constexpr unsigned kWarp = 32;
inline constexpr unsigned kFullWarp = 0xffffffffU;

struct LaunchShape {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  ///< dynamic; above 48 KiB the kernel's limit is raised
};

/// Starts a kernel; configuration errors are thrown here, errors of the run by whoever waits for the stream.
template <class... Params, class... Args>
void launch(void (*kernel)(Params...), const LaunchShape& shape, cudaStream_t stream, Args&&... args) {
  constexpr std::size_t kUnasked = 48 * 1024;
  if (shape.shared_bytes > kUnasked) {
    KVWAVE_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(shape.shared_bytes)));
  }
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  KVWAVE_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, Params(std::forward<Args>(args))...));
}

/// The block's dynamic shared memory, 16-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#ifdef CUDASIM
  return static_cast<T*>(cudasim::dynamic_shared());
#else
  extern __shared__ __align__(16) unsigned char kvwave_dynamic_shared[];
  return reinterpret_cast<T*>(kvwave_dynamic_shared);
#endif
}

template <class T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace kvwave::kernels
