// Device memory for one test: copies of host values, and the strides that kernels want. For .cu files.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "kernels/cuda_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/gemv_cuda.cuh"

namespace kvwave::testing {

inline constexpr kernels::MemoryUse kTestUse{"a test", "test less"};

template <class T>
kernels::DeviceBuffer<T> upload(const std::vector<T>& values, cudaStream_t stream) {
  kernels::DeviceBuffer<T> buffer(values.size(), kTestUse);
  buffer.upload(values, stream);
  return buffer;
}
template <class T>
std::vector<T> download(const kernels::DeviceBuffer<T>& buffer, cudaStream_t stream) {
  std::vector<T> values(buffer.size());
  buffer.download(std::span<T>(values), stream);
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
  return values;
}

/// Rows of `width` values at the device's stride.
inline std::vector<float> with_stride(std::span<const float> values, unsigned width) {
  const std::size_t rows = values.size() / width;
  const unsigned stride = kernels::padded_width(width);
  std::vector<float> padded(rows * stride, 1e30F);  // padding must not matter
  for (std::size_t r = 0; r < rows; ++r) std::copy_n(values.data() + r * width, width, padded.data() + r * stride);
  return padded;
}
inline std::vector<float> without_stride(const std::vector<float>& padded, unsigned width) {
  const unsigned stride = kernels::padded_width(width);
  std::vector<float> values;
  for (std::size_t at = 0; at < padded.size(); at += stride) {
    values.insert(values.end(), padded.data() + at, padded.data() + at + width);
  }
  return values;
}

}  // namespace kvwave::testing
