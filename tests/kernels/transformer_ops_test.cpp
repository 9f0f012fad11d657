#include "kernels/transformer_ops.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

TEST(RmsNorm, divides_by_the_root_mean_square) {
  for (const std::size_t n : {1u, 7u, 8u, 576u}) {
    std::mt19937 random(static_cast<std::uint32_t>(n));
    std::normal_distribution<float> normal(0, 3);
    std::vector<float> x(n), weight(n), out(n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = normal(random);
      weight[i] = normal(random);
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    const double mean = sum / static_cast<double>(n);
    EXPECT_NEAR(rms_norm(x, weight, 1e-5F, out), mean, 1e-6 * mean);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = static_cast<double>(x[i]) / std::sqrt(mean + 1e-5) * static_cast<double>(weight[i]);
      EXPECT_NEAR(out[i], expected, 3e-7 * std::abs(expected) + 1e-12);
    }
  }
}

TEST(RmsNorm, mean_square_shows_values_that_are_not_finite) {
  std::vector<float> x(20, 1.0F), weight(20, 1.0F), out(20);
  x[13] = NAN;
  EXPECT_FALSE(std::isfinite(rms_norm(x, weight, 1e-5F, out)));
  x[13] = INFINITY;
  EXPECT_FALSE(std::isfinite(rms_norm(x, weight, 1e-5F, out)));
}

TEST(Swiglu, agrees_with_fp64_on_every_path_and_at_the_ends) {
  std::vector<float> gates = {0, -0.0F, 1e-20F, 87, 88, 89, 200, 3e38F, -87, -88, -89, -200, -3e38F};
  for (float g = -30; g < 30; g += 0.037F) gates.push_back(g);
  for (const SimdPath path : testing::supported_paths()) {
    const testing::ScopedSimdPath scoped(path);
    std::vector<float> out = gates;
    const std::vector<float> up(gates.size(), 1.5F);
    swiglu(out, up);
    for (std::size_t i = 0; i < gates.size(); ++i) {
      const double g = static_cast<double>(gates[i]);
      const double expected = g / (1 + std::exp(-g)) * 1.5;
      if (!std::isfinite(static_cast<float>(expected))) continue;
      EXPECT_NEAR(out[i], expected, 4e-7 * std::abs(expected) + 1e-35) << to_string(path) << " gate " << g;
    }
  }
}

TEST(Swiglu, nan_stays_nan) {
  for (const SimdPath path : testing::supported_paths()) {
    const testing::ScopedSimdPath scoped(path);
    std::vector<float> gate(37, NAN);
    swiglu(gate, std::vector<float>(37, 1.0F));
    for (const float value : gate) EXPECT_TRUE(std::isnan(value)) << to_string(path);
  }
}

TEST(Rope, layouts_differ_only_by_the_order_of_pairs) {
  const std::vector<float> cos = {0.8F, 0.6F, 1.0F, -1.0F}, sin = {0.6F, -0.8F, 0.0F, 0.0F};
  std::vector<float> half = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> interleaved = {1, 5, 2, 6, 3, 7, 4, 8};
  rope_half(half, cos, sin);
  rope_interleaved(interleaved, cos, sin);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(half[i], interleaved[2 * i]);
    EXPECT_FLOAT_EQ(half[i + 4], interleaved[2 * i + 1]);
  }
  EXPECT_FLOAT_EQ(half[0], 1 * 0.8F - 5 * 0.6F);
  EXPECT_FLOAT_EQ(half[4], 1 * 0.6F + 5 * 0.8F);
}

TEST(AllFinite, finds_nan_and_infinity_anywhere) {
  std::vector<float> x(1000, std::numeric_limits<float>::max());
  EXPECT_TRUE(all_finite(x));
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for (const std::size_t at : {0u, 517u, 999u}) {
      std::vector<float> y = x;
      y[at] = bad;
      EXPECT_FALSE(all_finite(y));
    }
  }
}

}  // namespace
}  // namespace kvwave::kernels
