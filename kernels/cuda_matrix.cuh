// Uploads parameters into the layout that kernels read.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/cuda_block_formats.cuh"
#include "kernels/cuda_memory.cuh"
#include "kernels/error.h"
#include "kernels/params.h"

namespace kvwave::kernels {

/// Bytes a matrix takes in device memory: the file's, but for the padding of planes and of plain rows to 16 bytes.
std::size_t device_matrix_bytes(const ParamMatrix& matrix);

/// A matrix with its memory.
class UploadedMatrix {
 public:
  UploadedMatrix() = default;
  /// Waits for the copy. Throws DeviceOutOfMemory.
  UploadedMatrix(const ParamMatrix& matrix, cudaStream_t stream);
  const DeviceMatrix& view() const { return view_; }

 private:
  DeviceBuffer<unsigned char> memory_;
  DeviceMatrix view_;
};

/// Calls work with the type as a compile-time constant. Throws Error for a type that does not run here (runs_on_cuda).
template <class Work>
void with_param_type(ParamType type, Work&& work) {
  switch (type) {
    case ParamType::f32:
      return work.template operator()<ParamType::f32>();
    case ParamType::f16:
      return work.template operator()<ParamType::f16>();
    case ParamType::bf16:
      return work.template operator()<ParamType::bf16>();
    case ParamType::q4_0:
      return work.template operator()<ParamType::q4_0>();
    case ParamType::q4_1:
      return work.template operator()<ParamType::q4_1>();
    case ParamType::q5_0:
      return work.template operator()<ParamType::q5_0>();
    case ParamType::q5_1:
      return work.template operator()<ParamType::q5_1>();
    case ParamType::q8_0:
      return work.template operator()<ParamType::q8_0>();
    case ParamType::q4_k:
      return work.template operator()<ParamType::q4_k>();
    case ParamType::q5_k:
      return work.template operator()<ParamType::q5_k>();
    case ParamType::q6_k:
      return work.template operator()<ParamType::q6_k>();
    default:
      throw Error("no CUDA kernel reads parameters of type " + std::string(to_string(type)));
  }
}

}  // namespace kvwave::kernels
