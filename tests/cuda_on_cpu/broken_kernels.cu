#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <numeric>
#include <vector>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "tests/cuda_on_cpu/broken_kernels.h"

namespace kvwave::testing {
namespace {

using kernels::DeviceBuffer;
using kernels::dynamic_shared;
using kernels::kFullWarp;
using kernels::launch;

constexpr unsigned kThreads = 64;

__global__ void no_bug(float* data) {
  auto* shared = dynamic_shared<float>();
  const unsigned t = threadIdx.x;
  shared[t] = data[t];
  __syncthreads();
  data[t] = shared[kThreads - 1 - t] - shared[kThreads - 1 - t];
}

// Found by the scheduler in every build.
__global__ void exit_before_barrier(float* data) {
  if (threadIdx.x == 40) return;
  __syncthreads();
  data[threadIdx.x] = 1;
}
__global__ void different_barriers(float* data) {
  if (threadIdx.x < 32) {
    data[threadIdx.x] = 1;
    __syncthreads();
  } else {
    data[threadIdx.x] = 2;
    __syncthreads();
  }
}
__global__ void absent_shuffle_lane(float* data) {
  if (threadIdx.x % 2 == 1) data[threadIdx.x] = __shfl_xor_sync(kFullWarp, 1.0F, 1);
}
__global__ void stuck_collective(float* data) {
  float value = 0;
  if (threadIdx.x % 32 < 16) value = __shfl_down_sync(kFullWarp, 1.0F, 1);
  __syncthreads();
  data[threadIdx.x] = value;
}
__global__ void lane_outside_mask(float* data) {
  data[threadIdx.x] = __shfl_sync(0x1U, 1.0F, 0);
}
__global__ void unwritten_dynamic_shared(float* data) {
  data[threadIdx.x] = dynamic_shared<float>()[threadIdx.x];
}
__global__ void unwritten_static_shared(float* data) {
  __shared__ float shared[kThreads];
  if (data[0] < 0) shared[threadIdx.x] = 1;
  __syncthreads();
  data[threadIdx.x] = shared[threadIdx.x];
}

// Found by AddressSanitizer and UndefinedBehaviorSanitizer.
__global__ void beyond_dynamic_shared(float* data) {
  auto* shared = dynamic_shared<float>();
  const unsigned t = threadIdx.x;
  shared[t + (t == kThreads - 1 ? 1 : 0)] = 1;
  __syncthreads();
  data[t] = shared[t];
}
__global__ void beyond_global(float* data) {
  data[threadIdx.x + (threadIdx.x == kThreads - 1 ? 1 : 0)] = 1;
}
__global__ void beyond_static_shared(float* data) {
  __shared__ float shared[kThreads];
  const unsigned t = threadIdx.x;
  shared[t + (t == kThreads - 1 ? 1 : 0)] = 1;
  __syncthreads();
  data[t] = shared[t];
}
__global__ void beyond_static_shared_by_pointer(float* data) {
  __shared__ float shared[kThreads];
  float* p = shared;
  p += threadIdx.x + (threadIdx.x == kThreads - 1 ? 1 : 0);
  *p = 1;
  data[threadIdx.x] = *p;
}
__global__ void misaligned_vector(float* data) {
  const float4 value = *reinterpret_cast<const float4*>(data + 1);
  if (threadIdx.x == 0) data[0] = value.x;
}

// Found by ThreadSanitizer.
__global__ void no_barrier(float* data) {
  __shared__ float shared[kThreads];
  shared[threadIdx.x] = data[threadIdx.x];
  data[threadIdx.x] = shared[kThreads - 1 - threadIdx.x];
}
__global__ void no_barrier_in_warp(float* data) {
  auto* shared = dynamic_shared<float>();
  if (threadIdx.x >= 32) return;
  shared[threadIdx.x] = data[threadIdx.x];
  data[threadIdx.x] = shared[31 - threadIdx.x];
}
__global__ void shuffle_as_barrier(float* data) {
  auto* shared = dynamic_shared<float>();
  if (threadIdx.x >= 32) return;
  shared[threadIdx.x] = data[threadIdx.x];
  __shfl_sync(kFullWarp, 0, 0);
  data[threadIdx.x] = shared[31 - threadIdx.x];
}
__global__ void lost_update(float* data) {
  data[threadIdx.x % 2] += 1;
}

DeviceBuffer<float> ascending() {
  std::vector<float> host(kThreads);
  std::iota(host.begin(), host.end(), 0.0F);
  DeviceBuffer<float> data(kThreads, {"the test", ""});
  data.upload(host, nullptr);
  return data;
}

void launch_and_look(void (*kernel)(float*)) {
  DeviceBuffer<float> data = ascending();
  launch(kernel, {1, kThreads, kThreads * sizeof(float)}, nullptr, data.data());
  if (cudaDeviceSynchronize() != cudaSuccess) return;
  std::vector<float> host(kThreads);
  data.download(host, nullptr);
  float sum = 0;
  for (const float value : host) sum += value;
  if (std::isnan(sum)) {
    std::printf("NaN\n");
  } else {
    std::printf("result %g\n", static_cast<double>(sum));
  }
}

void unwaited_copy() {
  const DeviceBuffer<float> data = ascending();
  kernels::PinnedBuffer<float> host(kThreads);
  host.data()[5] = -1;
  const kernels::Stream stream;
  data.download(host.span(), stream.get());
  std::printf(host.data()[5] == 5.0F ? "fresh\n" : "stale\n");
}

}  // namespace

bool run_broken_kernel(const std::string& bug) {
  const std::map<std::string, void (*)(float*)> kernels = {
      {"no_bug", no_bug},
      {"exit_before_barrier", exit_before_barrier},
      {"different_barriers", different_barriers},
      {"absent_shuffle_lane", absent_shuffle_lane},
      {"stuck_collective", stuck_collective},
      {"lane_outside_mask", lane_outside_mask},
      {"unwritten_dynamic_shared", unwritten_dynamic_shared},
      {"unwritten_static_shared", unwritten_static_shared},
      {"beyond_dynamic_shared", beyond_dynamic_shared},
      {"beyond_global", beyond_global},
      {"beyond_static_shared", beyond_static_shared},
      {"beyond_static_shared_by_pointer", beyond_static_shared_by_pointer},
      {"misaligned_vector", misaligned_vector},
      {"no_barrier", no_barrier},
      {"no_barrier_in_warp", no_barrier_in_warp},
      {"shuffle_as_barrier", shuffle_as_barrier},
      {"lost_update", lost_update}};
  if (const auto found = kernels.find(bug); found != kernels.end()) {
    launch_and_look(found->second);
    return true;
  }
  if (bug == "unwaited_copy") {
    unwaited_copy();
    return true;
  }
  if (bug == "host_reads_device") {
    const DeviceBuffer<float> data = ascending();
    std::printf("read %g\n", static_cast<double>(data.data()[3]));
    return true;
  }
  if (bug == "too_much_shared") {
    DeviceBuffer<float> data = ascending();
    try {
      launch(no_bug, {1, kThreads, 300 * 1024}, nullptr, data.data());
    } catch (const kernels::Error& error) {
      std::printf("invalid launch: %s\n", error.what());
    }
    return true;
  }
  return false;
}

}  // namespace kvwave::testing
