// Activations as products read them: four columns at a time, after RMSNorm or SwiGLU. Include it only from .cu files.
#pragma once

#include "kernels/cuda_reduce.cuh"

namespace kvwave::kernels {
namespace {

__device__ __forceinline__ float silu(float x) {
  return x / (1.0F + expf(-x));
}

/// 1 / sqrt(mean(x^2) + epsilon), the same in all threads of the block.
__device__ __forceinline__ float rms_scale(const float* x, unsigned cols, float epsilon) {
  double sum = 0;
  for (unsigned i = threadIdx.x; i < cols; i += blockDim.x) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  sum = block_reduce(sum, Sum{}, 0.0);
  return static_cast<float>(1.0 / sqrt(sum / static_cast<double>(cols) + static_cast<double>(epsilon)));
}

/// Columns column .. column + 3 of an aligned vector, zero beyond the last.
__device__ __forceinline__ float4 load_columns(const float* values, unsigned column, unsigned cols) {
  if (column + 4 <= cols) return *reinterpret_cast<const float4*>(values + column);
  float4 loaded{0, 0, 0, 0};
  if (column < cols) loaded.x = values[column];
  if (column + 1 < cols) loaded.y = values[column + 1];
  if (column + 2 < cols) loaded.z = values[column + 2];
  return loaded;
}

/// The same after norm (when not null: x * scale * norm) and gate (when not null: silu(x) * up).
__device__ __forceinline__ float4 input_columns(const float* values, const float* norm, const float* up, float scale,
                                                unsigned column, unsigned cols) {
  float4 x = load_columns(values, column, cols);
  if (norm != nullptr) {
    const float4 weight = load_columns(norm, column, cols);
    x = {x.x * scale * weight.x, x.y * scale * weight.y, x.z * scale * weight.z, x.w * scale * weight.w};
  }
  if (up != nullptr) {
    const float4 factor = load_columns(up, column, cols);
    x = {silu(x.x) * factor.x, silu(x.y) * factor.y, silu(x.z) * factor.z, silu(x.w) * factor.w};
  }
  return x;
}

}  // namespace
}  // namespace kvwave::kernels
