// Linear layers on several threads: W x for one position (decode) or for a block of positions (prefill).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

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

/// Runs products on a pool; holds the scratch memory of its workers. Results are the same bytes for any number of
/// threads and positions (gemv.h).
class Projector {
 public:
  /// `pool` must outlive the projector.
  explicit Projector(ThreadPool& pool);

  /// All products in one parallel loop.
  void project(std::span<const Projection> projections, const Activations& x);

  /// out[p * out_stride + r] = swiglu(gate[r] . x[p], up[r] . x[p]) in one parallel loop. gate and up have equal
  /// shapes.
  void project_swiglu(const ParamMatrix& gate, const ParamMatrix& up, const Activations& x, float* out,
                      std::size_t out_stride);

 private:
  struct Scratch {
    AlignedVector<float> sums;  // of matmul
    std::vector<float> up;
  };

  void pack(const Activations& x, std::size_t cols);

  ThreadPool& pool_;
  std::vector<Scratch> scratch_;  // one per worker
  ActivationTiles tiles_;
};

}  // namespace kvwave::kernels
