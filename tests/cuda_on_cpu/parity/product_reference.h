// Products in fp64, from parameters of every type and inputs after norm or gate.
#pragma once

#include <cmath>
#include <string>

#include "kernels/params.h"
#include "tests/capture/tiny_llama.h"
#include "tests/cuda_on_cpu/parity/parity_test.h"

namespace kvwave::testing {

using kernels::ParamMatrix;
using kernels::ParamType;

inline constexpr ParamType kTypes[] = {ParamType::f32,  ParamType::f16,  ParamType::bf16, ParamType::q4_0,
                                       ParamType::q4_1, ParamType::q5_0, ParamType::q5_1, ParamType::q8_0,
                                       ParamType::q4_k, ParamType::q5_k, ParamType::q6_k};
/// |device - fp64| is at most this times the sum of the absolute terms of the dot product: gemv_cuda.cuh,
/// gemm_cuda.cuh.
inline constexpr double kGemvBound = 2e-6, kGemmBound = 4e-6;

class ProductComparison : public DeviceParity {
 protected:
  struct Stored {
    std::string bytes;
    ParamMatrix matrix;
  };
  static Stored random_matrix(ParamType type, std::uint32_t rows, std::uint32_t cols, std::uint32_t seed) {
    std::mt19937 random(seed);
    Stored stored{capture::testing::random_params(type, rows, cols, 0.5F, random), {}};
    stored.matrix = {reinterpret_cast<const std::byte*>(stored.bytes.data()), type, rows, cols};
    return stored;
  }

  /// The input after norm or gate, in fp64.
  static std::vector<double> prepared(const GemvCase& c, unsigned position, unsigned cols) {
    std::vector<double> x(cols);
    double squares = 0;
    for (unsigned i = 0; i < cols; ++i) {
      x[i] = c.x[position * cols + i];
      squares += x[i] * x[i];
    }
    for (unsigned i = 0; i < cols; ++i) {
      if (!c.norm.empty()) x[i] *= c.norm[i] / std::sqrt(squares / cols + static_cast<double>(c.epsilon));
      if (!c.up.empty()) x[i] = x[i] / (1 + std::exp(-x[i])) * c.up[position * cols + i];
    }
    return x;
  }

  static void expect_parity(const GemvCase& c, const std::string& what) {
    const auto results = run_gemv(c);
    const double bound = c.n_positions > 1 || c.tensor_cores ? kGemmBound : kGemvBound;
    for (std::size_t m = 0; m < c.matrices.size(); ++m) {
      const ParamMatrix& w = c.matrices[m];
      std::vector<float> row(w.cols);
      for (unsigned p = 0; p < c.n_positions; ++p) {
        const std::vector<double> x = prepared(c, p, w.cols);
        for (unsigned r = 0; r < w.rows; ++r) {
          kernels::dequantise_row(w.type, w.row(r), row);
          double expected = c.before.empty() ? 0 : c.before[0];
          double scale = std::fabs(expected);
          for (unsigned i = 0; i < w.cols; ++i) {
            expected += row[i] * x[i];
            scale += std::fabs(row[i] * x[i]);
          }
          if (m < c.bias.size() && !c.bias[m].empty()) expected += c.bias[m][r];
          ASSERT_NEAR(results[m][p * w.rows + r], expected, bound * (scale + 1))
              << what << ", " << to_string(w.type) << " " << w.rows << " x " << w.cols << ", matrix " << m
              << ", position " << p << ", row " << r;
        }
      }
    }
  }
};

}  // namespace kvwave::testing
