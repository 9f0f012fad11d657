#include <string>

#include "kernels/cuda_check.cuh"
#include "kernels/cuda_memory.cuh"
#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

/// "kernels/file.cu" whatever the folder of the build.
std::string short_path(const std::string& path) {
  const auto name = path.rfind('/');
  if (name == std::string::npos || name == 0) return path;
  const auto folder = path.rfind('/', name - 1);
  return folder == std::string::npos ? path : path.substr(folder + 1);
}

std::string mebibytes(std::size_t bytes) {
  return std::to_string((bytes + (std::size_t{1} << 20) - 1) >> 20) + " MiB";
}

}  // namespace

void throw_cuda_failure(cudaError_t error, const char* call, const char* file, int line) {
  throw DeviceFailure(std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ") from " + call +
                      " at " + short_path(file) + ":" + std::to_string(line));
}

void* allocate_device_memory(std::size_t bytes, const MemoryUse& use) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaSuccess) return memory;
  if (error != cudaErrorMemoryAllocation) throw_cuda_failure(error, "cudaMalloc", __FILE__, __LINE__);
  cudaGetLastError();  // not sticky: the device stays usable
  std::size_t free = 0;
  std::size_t total = 0;
  KVWAVE_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  throw DeviceOutOfMemory("out of device memory: " + mebibytes(bytes) + " asked for " + use.what + ", " +
                          mebibytes(free) + " of " + mebibytes(total) + " free; " + use.remedy);
}

}  // namespace kvwave::kernels
