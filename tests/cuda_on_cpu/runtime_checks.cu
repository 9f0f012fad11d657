#include <vector>

#include "kernels/cuda_launch.cuh"
#include "kernels/cuda_memory.cuh"
#include "tests/cuda_on_cpu/runtime_checks.h"

namespace kvwave::testing {
namespace {

__global__ void nothing() {}

template <class Error, class Work>
std::string text_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

std::string refusal_of_allocation(std::size_t bytes) {
  return text_of<kernels::DeviceOutOfMemory>([bytes] {
    const kernels::DeviceBuffer<std::byte> buffer(bytes, {"the KV cache", "lower -n"});
  });
}
std::string refusal_of_launch() {
  return text_of<kernels::DeviceFailure>([] { kernels::launch(nothing, {1, 2048}, nullptr); });
}
std::string refusal_of_copy() {
  return text_of<kernels::Error>([] {
    kernels::DeviceBuffer<float> buffer(4, {"the test", ""});
    const std::vector<float> host(5);
    buffer.upload(host, nullptr);
  });
}

}  // namespace kvwave::testing
