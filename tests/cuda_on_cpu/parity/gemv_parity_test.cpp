// Products of one vector on the device against fp64, for every parameter type.
#include "tests/cuda_on_cpu/parity/product_reference.h"

namespace kvwave::testing {
namespace {

class GemvParity : public ProductComparison {};

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
  for (const unsigned n_positions : {1U, 3U}) {  // in a kernel of its own before several
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
