// The list of CUDA devices, and why one of them, or all, cannot be used.
#include <cuda_runtime.h>
#include <string>

#include "kernels/device.h"

namespace kvwave::kernels {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_no_device(cudaError_t error, const DeviceList& list) {
  if (error == cudaErrorInsufficientDriver && list.driver_version == 0) return "no NVIDIA driver is installed";
  if (error == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver is too old: it knows CUDA " + version_text(list.driver_version) +
           ", this program needs " + version_text(list.runtime_version);
  }
  if (error == cudaErrorNoDevice) return "the driver finds no CUDA device";
  return std::string("the driver answers ") + cudaGetErrorName(error) + ": " + cudaGetErrorString(error);
}

/// KVWAVE_CUDA_OLDEST is the lowest compute capability this program holds machine code for, times ten.
std::string why_unsupported(const CudaDevice& device) {
  if (device.major * 10 + device.minor >= KVWAVE_CUDA_OLDEST) return {};
  return "its compute capability " + std::to_string(device.major) + "." + std::to_string(device.minor) + " is below " +
         std::to_string(KVWAVE_CUDA_OLDEST / 10) + "." + std::to_string(KVWAVE_CUDA_OLDEST % 10) +
         ", the lowest this program was built for";
}

}  // namespace

DeviceList list_devices() {
  DeviceList list;
  cudaDriverGetVersion(&list.driver_version);
  cudaRuntimeGetVersion(&list.runtime_version);
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    list.why_none = why_no_device(error, list);
    cudaGetLastError();
    return list;
  }
  for (int index = 0; index < count; ++index) {
    CudaDevice device;
    device.index = index;
    cudaDeviceProp properties{};
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
      device.why_unusable = std::string("its properties cannot be read: ") + cudaGetErrorString(error);
      cudaGetLastError();
    } else {
      device.name = properties.name;
      device.major = properties.major;
      device.minor = properties.minor;
      device.multiprocessors = properties.multiProcessorCount;
      device.memory_bytes = properties.totalGlobalMem;
      device.l2_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
      device.why_unusable = why_unsupported(device);
    }
    list.cuda.push_back(device);
  }
  return list;
}

}  // namespace kvwave::kernels
