// Matrix times vector on the device, for one position (decode) or a block of positions (prefill), with what comes
// before it folded into reading the input. The CPU's twin is gemv.h with projection.h.
#pragma once

#include "kernels/cuda_block_formats.cuh"
#include "kernels/cuda_launch.cuh"

namespace kvwave::kernels {

/// Strides of vectors on the device are multiples of four floats, and so are their starts.
__host__ __device__ constexpr unsigned padded_width(unsigned width) {
  return (width + 3) / 4 * 4;
}

/// The input [n_positions, cols]: x itself; with `norm`, RMSNorm(x) * norm; with `up`, silu(x) * up.
struct GemvInput {
  const float* x = nullptr;
  const float* up = nullptr;    ///< same stride as x
  const float* norm = nullptr;  ///< [cols]
  float epsilon = 0;
  unsigned stride = 0;
  unsigned n_positions = 1;
};

/// out[p * stride + r] = W[r] . input[p] + bias[r], or += with `accumulate`.
struct GemvOutput {
  DeviceMatrix w;
  const float* bias = nullptr;
  float* out = nullptr;
  unsigned stride = 0;
  bool accumulate = false;
};

constexpr unsigned kMaxGemvOutputs = 3;

/// Enqueues all products of one input; neighbours of the same type share a launch. The result of a row does not depend
/// on the number of positions, nor on the other outputs.
void gemv_cuda(const GemvInput& input, const GemvOutput* outputs, unsigned n_outputs, cudaStream_t stream);

}  // namespace kvwave::kernels
