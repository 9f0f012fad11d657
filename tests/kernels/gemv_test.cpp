#include "kernels/gemv.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/projection.h"
#include "kernels/transformer_ops.h"
#include "tests/capture/tiny_llama.h"
#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

using testing::ScopedSimdPath;
using testing::supported_paths;

constexpr ParamType kAllTypes[] = {ParamType::f32,  ParamType::f16,    ParamType::bf16, ParamType::q4_0,
                                   ParamType::q4_1, ParamType::q5_0,   ParamType::q5_1, ParamType::q8_0,
                                   ParamType::q4_k, ParamType::q5_k,   ParamType::q6_k, ParamType::q2_k,
                                   ParamType::q3_k, ParamType::iq4_nl, ParamType::mxfp4};

// Column counts that fit the type's blocks; types without blocks also get lengths that no register divides.
std::vector<std::uint32_t> column_counts(ParamType type) {
  if (block_values(type) == 256) return {256, 2304};
  if (block_values(type) == 32) return {32, 96, 1376};
  return {1, 7, 32, 61, 701};
}

struct RandomMatrix {
  RandomMatrix(ParamType type, std::uint32_t rows, std::uint32_t cols, std::uint32_t seed) {
    std::mt19937 random(seed);
    bytes = capture::testing::random_params(type, rows, cols, 1.0F, random);
    view = {reinterpret_cast<const std::byte*>(bytes.data()), type, rows, cols};
  }
  std::string bytes;
  ParamMatrix view;
};

std::vector<float> random_values(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

// Relative to the sum of |w x|: a sum of n rounded products is off by a few rounding errors in practice.
constexpr double kBound = 2e-6;

TEST(Gemv, agrees_with_the_fp64_product_of_dequantised_rows_on_every_path) {
  for (const ParamType type : kAllTypes) {
    for (const std::uint32_t cols : column_counts(type)) {
      const std::uint32_t rows = 21;  // groups of eight and a rest
      const RandomMatrix w(type, rows, cols, 11 * cols);
      const std::vector<float> x = random_values(cols, 7);
      for (const SimdPath path : supported_paths()) {
        const ScopedSimdPath scoped(path);
        std::vector<float> y(rows);
        gemv(w.view, x, 0, y);
        std::vector<float> row(cols);
        for (std::uint32_t r = 0; r < rows; ++r) {
          dequantise_row(type, w.view.row(r), row);
          double expected = 0, magnitude = 1e-30;
          for (std::uint32_t i = 0; i < cols; ++i) {
            const double product = static_cast<double>(row[i]) * static_cast<double>(x[i]);
            expected += product;
            magnitude += std::abs(product);
          }
          ASSERT_NEAR(y[r], expected, kBound * magnitude)
              << to_string(type) << " " << to_string(path) << " row " << r << " of length " << cols;
        }
      }
    }
  }
}

TEST(Gemv, result_of_a_row_does_not_depend_on_the_rows_around_it) {
  for (const ParamType type : kAllTypes) {
    const RandomMatrix w(type, 19, 256, 3);
    const std::vector<float> x = random_values(256, 4);
    for (const SimdPath path : supported_paths()) {
      const ScopedSimdPath scoped(path);
      std::vector<float> all(19), one(1);
      gemv(w.view, x, 0, all);
      for (std::uint32_t r = 0; r < 19; ++r) {
        gemv(w.view, x, r, one);
        ASSERT_EQ(std::memcmp(&one[0], &all[r], 4), 0) << to_string(type) << " " << to_string(path) << " row " << r;
      }
    }
  }
}

TEST(Gemv, blocks_of_positions_give_the_bytes_of_single_positions) {
  for (const ParamType type : kAllTypes) {
    for (const std::uint32_t cols : column_counts(type)) {
      const std::uint32_t rows = 13, n_positions = 11;  // whole tiles and a rest
      const RandomMatrix w(type, rows, cols, 5);
      const std::vector<float> x = random_values(std::size_t{n_positions} * cols, 6);
      for (const SimdPath path : supported_paths()) {
        const ScopedSimdPath scoped(path);
        std::vector<float> block(n_positions * rows), single(rows);
        ActivationTiles tiles;
        tiles.begin({x.data(), n_positions, cols}, cols);
        for (std::size_t tile = 0; tile < tiles.count(); ++tile) tiles.fill(tile);
        AlignedVector<float> scratch;
        matmul(w.view, tiles, 0, rows, block.data(), rows, scratch);
        for (std::uint32_t p = 0; p < n_positions; ++p) {
          gemv(w.view, {x.data() + p * cols, cols}, 0, single);
          ASSERT_EQ(std::memcmp(single.data(), block.data() + p * rows, rows * 4), 0)
              << to_string(type) << " " << to_string(path) << " position " << p << " length " << cols;
        }
      }
    }
  }
}

TEST(Projector, gives_the_same_bytes_for_any_number_of_threads) {
  const std::uint32_t cols = 576;
  const RandomMatrix a(ParamType::q4_1, 200, cols, 1), b(ParamType::q8_0, 71, cols, 2), c(ParamType::q8_0, 71, cols, 3);
  const std::vector<float> bias = random_values(71, 4);
  for (const std::size_t n_positions : {1u, 5u}) {
    const std::vector<float> x = random_values(n_positions * cols, 5);
    std::vector<float> expected;
    for (const unsigned n_threads : {1u, 2u, 3u, 4u}) {
      ThreadPool pool(n_threads);
      Projector projector(pool);
      std::vector<float> out(n_positions * 342);
      const Projection products[] = {{&a.view, {}, out.data(), 342}, {&b.view, bias, out.data() + 200, 342}};
      projector.project(products, {x.data(), n_positions, cols});
      projector.project_swiglu(b.view, c.view, {x.data(), n_positions, cols}, out.data() + 271, 342);
      if (expected.empty()) expected = out;
      ASSERT_EQ(std::memcmp(out.data(), expected.data(), out.size() * 4), 0) << n_threads << " threads";
    }
    for (std::size_t p = 0; p < n_positions; ++p) {
      std::vector<float> gate(71), up(71);
      gemv(b.view, {x.data() + p * cols, cols}, 0, gate);
      gemv(c.view, {x.data() + p * cols, cols}, 0, up);
      for (std::size_t r = 0; r < 71; ++r) ASSERT_EQ(expected[p * 342 + 200 + r], gate[r] + bias[r]);
      swiglu(gate, up);
      for (std::size_t r = 0; r < 71; ++r) ASSERT_NEAR(expected[p * 342 + 271 + r], gate[r], 1e-5);
    }
  }
}

}  // namespace
}  // namespace kvwave::kernels
