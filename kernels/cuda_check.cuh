// Every call of the CUDA runtime goes through KVWAVE_CUDA_CHECK: failures become DeviceFailure with call, file and
// line.
#pragma once

#include <cuda_runtime.h>

namespace kvwave::kernels {

[[noreturn]] void throw_cuda_failure(cudaError_t error, const char* call, const char* file, int line);

}  // namespace kvwave::kernels

// A macro, since a function cannot know the text of its argument.
#define KVWAVE_CUDA_CHECK(call)                                                        \
  do {                                                                                 \
    if (const cudaError_t kvwave_status = (call); kvwave_status != cudaSuccess) {      \
      ::kvwave::kernels::throw_cuda_failure(kvwave_status, #call, __FILE__, __LINE__); \
    }                                                                                  \
  } while (false)
