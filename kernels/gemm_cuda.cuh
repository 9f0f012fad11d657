// Matrix times a block of vectors on the device, on tensor cores: the products of a prompt. Parameters are expanded
// from their quantised blocks into shared memory; both operands are split so that little of fp32 is lost
// (tensor_core.cuh).
//
// |device - fp64| <= 4e-6 * sum of the absolute terms of a dot product. Sums of 32 columns are added up in fp32 with
// rounding to nearest, since tensor cores truncate theirs.
#pragma once

#include "kernels/gemv_cuda.cuh"

namespace kvwave::kernels {

/// out[p * stride + r] = W[r] . x[p] + bias[r], or += with `accumulate`.
struct GemmOutput {
  DeviceMatrix w;
  const float* bias = nullptr;
  float* out = nullptr;
  unsigned stride = 0;
  bool accumulate = false;
};

/// x [n_positions, stride]; results do not depend on n_positions, nor on the other outputs.
void gemm_cuda(const float* x, unsigned stride, unsigned n_positions, const GemmOutput* outputs, unsigned n_outputs,
               cudaStream_t stream);

/// out[p] = the input that GemvInput describes, for n_positions vectors of `cols` values at `stride`; out may be x.
void prepare_input_cuda(const GemvInput& input, unsigned cols, unsigned stride, unsigned n_positions, float* out,
                        cudaStream_t stream);

}  // namespace kvwave::kernels
