// Products of a block of vectors on tensor cores against fp64, for every parameter type.
#include "tests/cuda_on_cpu/parity/product_reference.h"

namespace kvwave::testing {
namespace {

class GemmParity : public ProductComparison {
 protected:
  static GemvCase block_case(const ParamMatrix& matrix, unsigned n_positions) {
    GemvCase c;
    c.matrices = {matrix};
    c.n_positions = n_positions;
    c.tensor_cores = true;
    c.x = normal(std::size_t{n_positions} * matrix.cols, n_positions + matrix.cols);
    return c;
  }
};

TEST_F(GemmParity, every_type_a_block_of_positions) {
  for (const ParamType type : kTypes) {
    const Stored w = random_matrix(type, 19, 512, 3);
    expect_parity(block_case(w.matrix, 9), "nine positions");
  }
}

TEST_F(GemmParity, rows_and_positions_at_the_edges_of_tiles) {
  for (const auto& [rows, n_positions] : {std::pair{1U, 1U}, {63U, 8U}, {64U, 7U}, {65U, 65U}, {129U, 2U}}) {
    const Stored w = random_matrix(ParamType::q8_0, rows, 64, rows);
    expect_parity(block_case(w.matrix, n_positions), "edges");
  }
}

TEST_F(GemmParity, odd_widths_of_plain_types) {
  for (const ParamType type : {ParamType::f32, ParamType::f16, ParamType::bf16}) {
    for (const std::uint32_t cols : {1U, 3U, 7U, 33U, 127U, 130U}) {
      const Stored w = random_matrix(type, 5, cols, cols);
      expect_parity(block_case(w.matrix, 2), "odd width");
    }
  }
}

TEST_F(GemmParity, widths_that_are_no_multiple_of_a_tile) {
  for (const ParamType type : {ParamType::q4_0, ParamType::q5_1, ParamType::q8_0}) {
    const Stored w = random_matrix(type, 5, 160, 4);
    expect_parity(block_case(w.matrix, 3), "160 columns");
  }
}

/// fp32's range is kept: f16 operands would overflow or vanish here.
TEST_F(GemmParity, very_large_and_very_small_values_keep_their_accuracy) {
  const Stored w = random_matrix(ParamType::f32, 9, 256, 8);
  for (const float scale : {1e-12F, 1e12F}) {
    GemvCase c = block_case(w.matrix, 3);
    for (float& x : c.x) x *= scale;
    const auto scaled = run_gemv(c)[0];
    for (float& x : c.x) x /= scale;
    const auto plain = run_gemv(c)[0];
    for (std::size_t i = 0; i < plain.size(); ++i) {
      ASSERT_NEAR(scaled[i] / scale, plain[i], 3e-5F * (1 + std::fabs(plain[i]))) << "scale " << scale << ", " << i;
    }
  }
}

TEST_F(GemmParity, several_outputs_of_different_types_with_bias) {
  const Stored q = random_matrix(ParamType::q4_k, 70, 256, 7);
  const Stored k = random_matrix(ParamType::q4_k, 11, 256, 8);
  const Stored v = random_matrix(ParamType::q6_k, 11, 256, 9);
  GemvCase c = block_case(q.matrix, 4);
  c.matrices = {q.matrix, k.matrix, v.matrix};
  c.bias = {normal(70, 10), {}, normal(11, 11)};
  expect_parity(c, "q, k and v");
}

TEST_F(GemmParity, a_row_does_not_depend_on_the_number_of_positions) {
  for (const ParamType type : kTypes) {
    const Stored w = random_matrix(type, 9, 256, 17);
    GemvCase c;
    c.matrices = {w.matrix};
    c.x = normal(256, 18);
    c.tensor_cores = true;
    const auto one = run_gemv(c)[0];
    c.n_positions = 2;
    c.x.insert(c.x.end(), c.x.begin(), c.x.begin() + 256);
    const auto two = run_gemv(c)[0];
    for (unsigned r = 0; r < 9; ++r) {
      EXPECT_EQ(one[r], two[r]) << to_string(type) << " row " << r;
      EXPECT_EQ(one[r], two[9 + r]) << to_string(type) << " row " << r;
    }
  }
}

}  // namespace
}  // namespace kvwave::testing
