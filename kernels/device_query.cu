// Asks the CUDA driver for its devices.
#include <cuda_runtime.h>
#include <string>

#include "kernels/device_answers.h"

namespace kvwave::kernels {
namespace {

std::string words_of(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
}

DriverAnswer answer_of(cudaError_t error) {
  if (error == cudaSuccess) return DriverAnswer::devices;
  if (error == cudaErrorInsufficientDriver) return DriverAnswer::insufficient_driver;
  return error == cudaErrorNoDevice ? DriverAnswer::no_device : DriverAnswer::failure;
}

CudaDevice ask_device(int index) {
  CudaDevice device;
  device.index = index;
  cudaDeviceProp properties{};
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
    device.why_unusable = "its properties cannot be read: " + words_of(error);
    cudaGetLastError();
    return device;
  }
  device.name = properties.name;
  device.major = properties.major;
  device.minor = properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  device.memory_bytes = properties.totalGlobalMem;
  device.l2_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
  return device;
}

}  // namespace

DeviceList list_devices() {
  DriverAnswers answers;
  answers.oldest_capability = KVWAVE_CUDA_OLDEST;
  cudaDriverGetVersion(&answers.driver_version);
  cudaRuntimeGetVersion(&answers.runtime_version);
  int count = 0;  // left as it is when the call fails
  const cudaError_t error = cudaGetDeviceCount(&count);
  answers.answer = answer_of(error);
  if (error != cudaSuccess) {
    answers.failure = words_of(error);
    cudaGetLastError();
  }
  for (int index = 0; index < count; ++index) answers.devices.push_back(ask_device(index));
  return describe_devices(std::move(answers));
}

}  // namespace kvwave::kernels
