#include "kernels/logits.h"

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/cpu_features.h"

namespace kvwave::kernels {
namespace {

std::vector<float> random_logits(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gauss(0.0F, 8.0F);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = gauss(random);
  return logits;
}

class Logits : public ::testing::Test {
 protected:
  ~Logits() override { set_simd_path(before_); }
  static std::vector<SimdPath> paths() {
    std::vector<SimdPath> paths;
    for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
      if (path <= best_simd_path()) paths.push_back(path);
    }
    return paths;
  }
  SimdPath before_ = simd_path();
};

TEST_F(Logits, largest_is_found_wherever_it_stands) {
  for (const SimdPath path : paths()) {
    set_simd_path(path);
    for (const std::size_t n : {1U, 2U, 15U, 16U, 17U, 100U}) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> values(n, -3.5F);
        values[at] = -1.25F;
        EXPECT_EQ(largest(values), -1.25F) << to_string(path) << ", " << n << ", " << at;
      }
    }
  }
}

TEST_F(Logits, exponentials_and_their_sum_agree_with_fp64) {
  for (const SimdPath path : paths()) {
    set_simd_path(path);
    for (const std::size_t n : {1U, 16U, 33U, 5000U}) {
      const std::vector<float> logits = random_logits(n, static_cast<std::uint32_t>(n));
      const float top = largest(logits);
      for (const float scale : {1.0F, 0.25F, 1.6F}) {
        std::vector<float> out(n);
        const double sum = exp_below(logits, top, scale, out);
        double expected_sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
          const double expected = std::exp(static_cast<double>((logits[i] - top) * scale));
          expected_sum += expected;
          EXPECT_NEAR(out[i], expected, expected * 2e-7 + 1e-38) << to_string(path) << ", " << i;
        }
        EXPECT_NEAR(sum, expected_sum, expected_sum * 2e-7) << to_string(path);
        EXPECT_EQ(exp_below(logits, top, scale, {}), sum);
      }
    }
  }
}

TEST_F(Logits, what_is_far_below_the_top_counts_as_nothing) {
  for (const SimdPath path : paths()) {
    set_simd_path(path);
    std::vector<float> out(3);
    EXPECT_EQ(exp_below(std::vector<float>{0.0F, -88.0F, -3e38F}, 0.0F, 1.0F, out), 1.0);
    EXPECT_EQ(out, (std::vector<float>{1.0F, 0.0F, 0.0F}));
  }
}

TEST_F(Logits, every_path_gives_the_same_bits) {
  const std::vector<float> logits = random_logits(4099, 5);
  std::vector<std::vector<float>> outs;
  std::vector<double> sums;
  for (const SimdPath path : paths()) {
    set_simd_path(path);
    sums.push_back(exp_below(logits, largest(logits), 0.7F, outs.emplace_back(logits.size())));
  }
  for (std::size_t i = 1; i < outs.size(); ++i) {
    EXPECT_EQ(outs[i], outs[0]);
    EXPECT_EQ(sums[i], sums[0]);
  }
}

}  // namespace
}  // namespace kvwave::kernels
