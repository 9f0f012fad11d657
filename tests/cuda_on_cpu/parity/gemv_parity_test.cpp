// Products on the device against fp64, for every parameter type.
#include "kernels/params.h"
#include "tests/capture/tiny_llama.h"
#include "tests/cuda_on_cpu/parity/parity_test.h"

namespace kvwave::testing {
namespace {

using kernels::ParamMatrix;
using kernels::ParamType;

constexpr ParamType kTypes[] = {ParamType::f32,  ParamType::f16,  ParamType::bf16, ParamType::q4_0,
                                ParamType::q4_1, ParamType::q5_0, ParamType::q5_1, ParamType::q8_0,
                                ParamType::q4_k, ParamType::q5_k, ParamType::q6_k};
/// |device - fp64| is at most this times the sum of the absolute terms of the dot product.
constexpr double kBound = 2e-6;

class GemvParity : public DeviceParity {
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
          ASSERT_NEAR(results[m][p * w.rows + r], expected, kBound * (scale + 1))
              << what << ", " << to_string(w.type) << " " << w.rows << " x " << w.cols << ", matrix " << m
              << ", position " << p << ", row " << r;
        }
      }
    }
  }
};

TEST_F(GemvParity, every_type_one_position) {
  for (const ParamType type : kTypes) {
    for (const std::uint32_t cols : {256U, 768U}) {
      const Stored w = random_matrix(type, 13, cols, cols);
      GemvCase c;
      c.matrices = {w.matrix};
      c.x = normal(cols, 1);
      expect_parity(c, "one position");
    }
  }
}

TEST_F(GemvParity, every_type_a_block_of_positions) {
  for (const ParamType type : kTypes) {
    const Stored w = random_matrix(type, 19, 512, 3);
    GemvCase c;
    c.matrices = {w.matrix};
    c.n_positions = 9;
    c.x = normal(9 * 512, 2);
    expect_parity(c, "nine positions");
  }
}

TEST_F(GemvParity, odd_widths_of_plain_types_and_single_rows) {
  for (const ParamType type : {ParamType::f32, ParamType::f16, ParamType::bf16}) {
    for (const std::uint32_t cols : {1U, 3U, 7U, 33U, 130U}) {
      const Stored w = random_matrix(type, 1, cols, cols);
      GemvCase c;
      c.matrices = {w.matrix};
      c.x = normal(cols, 4);
      expect_parity(c, "odd width");
    }
  }
}

TEST_F(GemvParity, columns_beyond_one_tile_and_many_rows) {
  const Stored wide = random_matrix(ParamType::q4_0, 3, 4096 + 96, 5);
  GemvCase c;
  c.matrices = {wide.matrix};
  c.x = normal(4096 + 96, 5);
  expect_parity(c, "two tiles");
  const Stored tall = random_matrix(ParamType::q8_0, 8199, 32, 6);
  c.matrices = {tall.matrix};
  c.x = normal(32, 6);
  expect_parity(c, "four rows a warp");
}

TEST_F(GemvParity, several_outputs_of_different_types_with_bias) {
  const Stored q = random_matrix(ParamType::q4_k, 40, 256, 7);
  const Stored k = random_matrix(ParamType::q4_k, 11, 256, 8);
  const Stored v = random_matrix(ParamType::q6_k, 11, 256, 9);
  GemvCase c;
  c.matrices = {q.matrix, k.matrix, v.matrix};
  c.bias = {normal(40, 10), {}, normal(11, 11)};
  c.x = normal(256, 12);
  expect_parity(c, "q, k and v");
}

TEST_F(GemvParity, norm_gate_and_residual_are_folded_in) {
  for (const unsigned n_positions : {1U, 3U}) {
    const Stored w = random_matrix(ParamType::q5_1, 10, 96, 13);
    GemvCase c;
    c.matrices = {w.matrix};
    c.n_positions = n_positions;
    c.x = normal(n_positions * 96, 14, 3);
    c.norm = normal(96, 15);
    expect_parity(c, "norm");
    c.norm.clear();
    c.up = normal(n_positions * 96, 16);
    c.x[0] = -200;  // silu of a very negative gate is zero
    expect_parity(c, "gate");
    c.before = {0.75F};
    expect_parity(c, "residual");
  }
}

TEST_F(GemvParity, a_row_does_not_depend_on_the_number_of_positions) {
  for (const ParamType type : kTypes) {
    const Stored w = random_matrix(type, 9, 1280, 17);
    GemvCase c;
    c.matrices = {w.matrix};
    c.x = normal(1280, 18);
    const auto one = run_gemv(c)[0];
    c.n_positions = 2;
    c.x.insert(c.x.end(), c.x.begin(), c.x.begin() + 1280);
    const auto two = run_gemv(c)[0];
    for (unsigned r = 0; r < 9; ++r) {
      EXPECT_EQ(one[r], two[r]) << to_string(type) << " row " << r;
      EXPECT_EQ(one[r], two[9 + r]) << to_string(type) << " row " << r;
    }
  }
}

TEST_F(GemvParity, embedding_rows_are_expanded_exactly) {
  for (const ParamType type : kTypes) {
    const Stored w = random_matrix(type, 5, 512, 19);
    const std::int32_t tokens[] = {4, 0, 2};
    const std::vector<float> x = run_embed(w.matrix, tokens);
    std::vector<float> row(512);
    for (unsigned p = 0; p < 3; ++p) {
      kernels::dequantise_row(type, w.matrix.row(static_cast<std::size_t>(tokens[p])), row);
      for (unsigned i = 0; i < 512; ++i) {
        ASSERT_NEAR(x[p * 512 + i], row[i], 1e-6 * std::fabs(row[i])) << to_string(type) << " " << p << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::testing
