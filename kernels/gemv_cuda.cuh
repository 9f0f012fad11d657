// Matrix times one vector on the device, with what comes before it folded into reading the input: the products of a
// decode step. Bound by memory: parameters are read once, in their quantised form. The CPU's twin is gemv.h with
// projection.h.
//
// |device - fp64| <= 2e-6 * sum of the absolute terms of a dot product: quants are exact small integers, sums are fp32
// with one rounding per term and a scale per half slice.
#pragma once

#include "kernels/cuda_block_formats.cuh"
#include "kernels/cuda_launch.cuh"

namespace kvwave::kernels {

/// Strides of vectors on the device are multiples of four floats, and so are their starts.
__host__ __device__ constexpr unsigned padded_width(unsigned width) {
  return (width + 3) / 4 * 4;
}

/// The input [cols]: x itself; with `norm`, RMSNorm(x) * norm; with `up`, silu(x) * up.
struct GemvInput {
  const float* x = nullptr;
  const float* up = nullptr;
  const float* norm = nullptr;
  float epsilon = 0;
};

/// out[r] = W[r] . input + bias[r], or += with `accumulate`.
struct GemvOutput {
  DeviceMatrix w;
  const float* bias = nullptr;
  float* out = nullptr;
  bool accumulate = false;
};

constexpr unsigned kMaxGemvOutputs = 3;

/// Enqueues all products of one input; neighbours of the same type share a launch. The result of a row does not depend
/// on the other outputs.
void gemv_cuda(const GemvInput& input, const GemvOutput* outputs, unsigned n_outputs, cudaStream_t stream);

}  // namespace kvwave::kernels
