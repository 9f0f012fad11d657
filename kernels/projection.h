// Linear layers on several threads: W x for one position (decode) or for a block of positions (prefill).
#pragma once

#include <cstddef>
#include <span>

#include "kernels/gemv.h"
#include "kernels/params.h"
#include "kernels/thread_pool.h"

namespace kvwave::kernels {

/// One of several products with the same input: out[p * out_stride + r] = W[r] . x[p] + bias[r].
struct Projection {
  const ParamMatrix* w = nullptr;
  std::span<const float> bias;  ///< [rows] or empty
  float* out = nullptr;
  std::size_t out_stride = 0;  ///< in floats
};

/// All products in one parallel loop.
void project(ThreadPool& pool, std::span<const Projection> projections, const Activations& x);

/// out[p * out_stride + r] = swiglu(gate[r] . x[p], up[r] . x[p]), in one parallel loop. gate and up have equal shapes.
void project_swiglu(ThreadPool& pool, const ParamMatrix& gate, const ParamMatrix& up, const Activations& x, float* out,
                    std::size_t out_stride, float* scratch);

}  // namespace kvwave::kernels
