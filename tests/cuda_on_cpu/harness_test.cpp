// Correct kernels give correct results on the CPU, in whatever order their threads run.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/sound_kernels.h"

namespace kvwave::testing {
namespace {

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(n);
  for (float& value : values) value = distribution(random);
  return values;
}

TEST(CudaOnCpu, reduces_over_blocks_of_any_length) {
  for (const unsigned cols : {1U, 31U, 257U, 1000U}) {
    const std::vector<float> x = normal(5 * cols, cols);
    const std::vector<float> out = softmax_rows(x, 5, cols);
    for (unsigned r = 0; r < 5; ++r) {
      double sum = 0;
      for (unsigned i = 0; i < cols; ++i) sum += std::exp(static_cast<double>(x[r * cols + i]));
      for (unsigned i = 0; i < cols; ++i) {
        EXPECT_NEAR(out[r * cols + i], std::exp(static_cast<double>(x[r * cols + i])) / sum, 1e-6) << r << ' ' << i;
      }
    }
  }
}

TEST(CudaOnCpu, sorts_in_shared_memory) {
  for (const unsigned n : {3U, 700U, 1024U}) {
    std::vector<float> x = normal(n, n);
    for (float& value : x) value = std::round(20 * value);  // many ties
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&x](int a, int b) { return x[a] > x[b]; });
    const unsigned k = std::min(n, 50U);
    order.resize(k);
    EXPECT_EQ(top_k(x, k), order);
  }
}

TEST(CudaOnCpu, counts_with_atomics) {
  std::mt19937 random(3);
  std::vector<std::uint8_t> x(10007);
  std::vector<unsigned> expected(256);
  for (std::uint8_t& value : x) {
    value = static_cast<std::uint8_t>(random() & random() & 255U);
    ++expected[value];
  }
  EXPECT_EQ(histogram(x), expected);
}

TEST(CudaOnCpu, votes_and_counts_at_barriers) {
  const std::vector<float> x = normal(1001, 5);
  const auto expected = static_cast<unsigned>(std::count_if(x.begin(), x.end(), [](float v) { return v > 0.5F; }));
  EXPECT_EQ(count_above(x, 0.5F), std::vector<unsigned>(3, expected));
}

TEST(CudaOnCpu, lets_the_owner_of_a_spin_lock_run) {
  EXPECT_EQ(locked_sum(16), 16);
}

TEST(CudaOnCpu, replays_a_captured_graph) {
  const std::vector<float> x = normal(100, 6);
  const std::vector<float> out = add_by_graph(x, 3);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out[i], ((x[i] + 1) + 1) + 1);
}

TEST(CudaOnCpu, orders_streams_by_events) {
  const std::vector<float> x = normal(100, 7);
  const std::vector<float> out = double_across_streams(x);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(out[i], 2 * x[i]);
}

}  // namespace
}  // namespace kvwave::testing
