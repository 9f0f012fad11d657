// Attention in fp64, from what the kernels are given: q, k and v as rounded to the cache's type.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/half.h"
#include "tests/cuda_on_cpu/parity/parity_test.h"

namespace kvwave::testing {

inline constexpr double kRowBound = 2e-6;  ///< absolute, plus as much relative; decode_attention_cuda.cuh
inline constexpr double kOutBound = 1e-5;  ///< relative to the largest value; prefill_attention_cuda.cuh too

inline float as_stored(float value, kernels::KvType type) {
  return type == kernels::KvType::f16 ? kernels::f16_to_f32(kernels::f32_to_f16(value)) : value;
}

class AttentionComparison : public DeviceParity {
 protected:
  /// Random queries at positions first .. first + n_queries - 1 of a random past.
  static AttentionCase random_case(unsigned group, unsigned d, unsigned first, kernels::KvType type, float spread,
                                   unsigned n_queries = 1) {
    AttentionCase c;
    c.n_kv_heads = 2;
    c.n_q_heads = 2 * group;
    c.head_dim = d;
    c.first = first;
    c.n_queries = n_queries;
    c.type = type;
    c.q = normal(std::size_t{n_queries} * c.n_q_heads * d, d + first, spread);
    c.k = normal(std::size_t{first + n_queries} * 2 * d, 1);
    c.v = normal(std::size_t{first + n_queries} * 2 * d, 2);
    return c;
  }

  /// Outputs of all queries, and rows where there are any.
  static void expect_parity(const AttentionCase& c, const AttentionResult& result) {
    const unsigned d = c.head_dim;
    const double largest_value = std::fabs(
        *std::max_element(c.v.begin(), c.v.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); }));
    for (unsigned query = 0; query < c.n_queries; ++query) {
      for (unsigned q_head = 0; q_head < c.n_q_heads; ++q_head) {
        const unsigned n = c.first + query + 1;
        const unsigned kv_head = q_head / (c.n_q_heads / c.n_kv_heads);
        const float* q = c.q.data() + (std::size_t{query} * c.n_q_heads + q_head) * d;
        const auto at = [&](const std::vector<float>& cache, unsigned i, unsigned column) {
          return static_cast<double>(as_stored(cache[(std::size_t{i} * c.n_kv_heads + kv_head) * d + column], c.type));
        };
        std::vector<double> row(n);
        double largest = -INFINITY;
        for (unsigned i = 0; i < n; ++i) {
          for (unsigned column = 0; column < d; ++column) {
            row[i] += static_cast<double>(as_stored(q[column], c.type)) * at(c.k, i, column);
          }
          row[i] /= std::sqrt(static_cast<double>(d));
          largest = std::max(largest, row[i]);
        }
        double sum = 0;
        for (double& p : row) sum += p = std::exp(p - largest);
        for (double& p : row) p /= sum;
        // A logit of size m carries a rounding error of about m * 1e-6, and a probability that much relative error.
        const double scale = 1 + std::fabs(largest);
        for (unsigned i = 0; i < n && !result.rows.empty(); ++i) {
          ASSERT_NEAR(result.rows[q_head][i], row[i], kRowBound * scale * (row[i] + 1e-2))
              << "head_dim " << d << ", group " << c.n_q_heads / c.n_kv_heads << ", q_head " << q_head << ", position "
              << i << " of " << n;
        }
        for (unsigned column = 0; column < d; ++column) {
          double out = 0;
          for (unsigned i = 0; i < n; ++i) out += row[i] * at(c.v, i, column);
          ASSERT_NEAR(result.out[(std::size_t{query} * c.n_q_heads + q_head) * d + column], out,
                      kOutBound * scale * largest_value)
              << "head_dim " << d << ", group " << c.n_q_heads / c.n_kv_heads << ", step " << query << ", q_head "
              << q_head << ", component " << column;
        }
      }
    }
  }
};

}  // namespace kvwave::testing
