// R-KV's importance and redundancy against a worked example and a literal fp64 reading.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/key_panels.h"
#include "kernels/rkv_importance.h"
#include "kernels/rkv_redundancy.h"
#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

using testing::for_each_simd_path;

// One KV head, d = 2, ten residents of which two are the window, two query heads, pool kernel 3.
struct WorkedExample {
  std::vector<float> keys;
  std::vector<float> query = {2, 0, 0, 2, 0, 3, -1, 1};  // [step][head][channel]
  std::vector<std::uint32_t> slots = std::vector<std::uint32_t>(10);
  KeyPanels panels;
  ImportanceShape shape = {.n_queries = 2, .group = 2, .n_candidates = 8, .pool_kernel = 3};

  WorkedExample() {
    for (const double degrees : {0, 8, 90, 97, 180, 15, 270, 55, 35, 10}) {
      const double norm = degrees == 8 ? 2.0 : 1.0;
      keys.push_back(static_cast<float>(norm * std::cos(degrees * std::numbers::pi / 180)));
      keys.push_back(static_cast<float>(norm * std::sin(degrees * std::numbers::pi / 180)));
    }
    std::iota(slots.begin(), slots.end(), 0U);
    panels.gather(keys, 2, slots);
  }

  std::vector<float> importance() const {
    std::vector<float> a(shape.n_candidates);
    ImportanceScratch scratch;
    rkv_importance(query, panels, shape, a, scratch);
    return a;
  }
  std::vector<float> redundancy(std::size_t count, std::vector<std::uint32_t>* retained = nullptr) const {
    std::vector<float> unit(keys.size()), red(count);
    unit_keys(keys, 2, unit);
    KeyPanels unit_panels;
    unit_panels.gather(unit, 2, slots);
    RedundancyScratch scratch;
    std::vector<std::uint32_t> found(slots.size());
    rkv_redundancy(unit, slots, unit_panels, 0.5F, red, found, scratch);
    if (retained != nullptr) *retained = found;
    return red;
  }
};

void expect_near(const std::vector<float>& actual, const std::vector<double>& expected, double bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << "entry " << i;
}

TEST(RkvImportance, worked_example_before_pooling) {
  for_each_simd_path([] {
    WorkedExample example;
    example.shape.pool_kernel = 1;
    expect_near(example.importance(), {.07139, .24817, .19670, .19390, .04782, .08132, .02162, .13908}, 6e-6);
  });
}

TEST(RkvImportance, worked_example_after_max_pool) {
  for_each_simd_path([] {
    expect_near(WorkedExample().importance(), {.24817, .24817, .24817, .19670, .19390, .08132, .13908, .13908}, 6e-6);
  });
}

TEST(RkvImportance, even_a_pool_wider_than_the_cache_stays_inside_it) {
  WorkedExample example;
  example.shape.pool_kernel = 255;
  expect_near(example.importance(), std::vector<double>(8, .24817), 6e-6);
}

TEST(RkvImportance, no_candidates_give_nothing) {
  WorkedExample example;
  example.shape.n_candidates = 0;
  EXPECT_TRUE(example.importance().empty());
}

TEST(RkvRedundancy, worked_example) {
  for_each_simd_path([] {
    std::vector<std::uint32_t> retained;
    const std::vector<float> red = WorkedExample().redundancy(10, &retained);
    EXPECT_EQ(retained, (std::vector<std::uint32_t>{9, 9, 8, 7, 0, 9, 0, 9, 9, 8}));
    expect_near(red, {.13094, .12295, .10451, .09906, .05103, .12608, .05785, .11710, .11219, .07828}, 6e-6);
  });
}

TEST(TrapSoftmaxOverAllKeys, window_columns_are_excluded_before_softmax) {
  const std::vector<float> a = [] {
    WorkedExample example;
    example.shape.pool_kernel = 1;
    return example.importance();
  }();
  EXPECT_NEAR(std::accumulate(a.begin(), a.end(), 0.0), 1.0, 1e-6);  // with FULL scope it would be .89054
  EXPECT_GT(std::abs(a[0] - .06476), 1e-3);
}

TEST(TrapGroupPoolingAfterSoftmax, maximum_is_taken_on_logits) {
  WorkedExample example;
  example.shape.pool_kernel = 1;
  const std::vector<float> a = example.importance();
  EXPECT_EQ(std::max_element(a.begin(), a.end()) - a.begin(), 1);  // PROB-MEAN would put slot 3 first, at .20106
}

TEST(TrapPoolAcrossTheWindow, last_candidate_does_not_see_window_scores) {
  WorkedExample example;
  example.shape.n_candidates = 7;  // slot 7, now in the window, attracts more than slots 5 and 6
  const std::vector<float> pooled = example.importance();
  example.shape.pool_kernel = 1;
  const std::vector<float> plain = example.importance();
  ASSERT_GT(plain[5], plain[6]);
  EXPECT_EQ(pooled[6], plain[5]);
}

TEST(TrapRedundancyOverCandidatesOnly, window_keys_take_part) {
  const std::vector<float> cut = WorkedExample().redundancy(8);
  EXPECT_NEAR(cut[0], .13094, 6e-6);
  EXPECT_LT(std::accumulate(cut.begin(), cut.end(), 0.0), 0.82);  // cut, not renormalised
}

TEST(TrapColumnZero, rows_without_a_near_duplicate_lose_their_cosine_to_slot_0) {
  // Three orthogonal keys and their window: no row has a near-duplicate, slot 0 has cosine .4 with slot 2.
  const std::vector<float> unit = {1, 0, 0, 0, 1, 0, .4F, 0, std::sqrt(.84F)};
  const std::vector<std::uint32_t> slots = {0, 1, 2};
  KeyPanels panels;
  panels.gather(unit, 3, slots);
  std::vector<float> red(3);
  std::vector<std::uint32_t> retained(3);
  RedundancyScratch scratch;
  rkv_redundancy(unit, slots, panels, 0.5F, red, retained, scratch);
  EXPECT_EQ(retained, (std::vector<std::uint32_t>{0, 0, 0}));
  const double e = std::exp(.4 / 3);  // r = {0, 0, .4 / 3}: only the column of slot 0 lost its .4
  expect_near(red, {1 / (2 + e), 1 / (2 + e), e / (2 + e)}, 1e-6);
}

TEST(TrapThresholdOfTheMean, every_cosine_enters_also_small_and_negative_ones) {
  // Slot 1 opposes slot 0 and nothing else is similar: its column holds that one negative cosine.
  const std::vector<float> unit = {1, 0, 0, -1, 0, 0, 0, 1, 0, 0, 0, 1};
  const std::vector<std::uint32_t> slots = {0, 1, 2, 3};
  KeyPanels panels;
  panels.gather(unit, 3, slots);
  std::vector<float> red(4);
  RedundancyScratch scratch;
  rkv_redundancy(unit, slots, panels, 0.5F, red, {}, scratch);
  EXPECT_LT(red[1], red[2]) << "clamped at zero they would be equal";
  EXPECT_NEAR(red[0], red[2], 1e-7) << "slot 0 lost its -1 to the side effect of rows without a near-duplicate";
}

TEST(TrapThresholdOfTheMean, one_near_duplicate_per_row_is_exempted_and_only_the_newest) {
  // Three equal keys: each row exempts its last duplicate, so slot 2 keeps nothing, slot 1 one and slot 0 two cosines.
  const std::vector<float> unit = {1, 0, 1, 0, 1, 0};
  const std::vector<std::uint32_t> slots = {0, 1, 2};
  KeyPanels panels;
  panels.gather(unit, 2, slots);
  std::vector<float> red(3);
  RedundancyScratch scratch;
  rkv_redundancy(unit, slots, panels, 0.5F, red, {}, scratch);
  const double sum = std::exp(2.0 / 3) + std::exp(1.0 / 3) + 1;
  expect_near(red, {std::exp(2.0 / 3) / sum, std::exp(1.0 / 3) / sum, 1 / sum}, 1e-6);
}

TEST(TrapSimilarityBeforeRope, equal_tokens_at_distant_positions_are_less_similar_once_rotated) {
  const auto redundancy_of_first = [](float angle) {
    // One token three times, each time turned further.
    const std::vector<float> unit = {1, 0, std::cos(angle), std::sin(angle), std::cos(2 * angle), std::sin(2 * angle)};
    const std::vector<std::uint32_t> slots = {0, 1, 2};
    KeyPanels panels;
    panels.gather(unit, 2, slots);
    std::vector<float> red(3);
    RedundancyScratch scratch;
    rkv_redundancy(unit, slots, panels, 0.5F, red, {}, scratch);
    return red[0];
  };
  EXPECT_GT(redundancy_of_first(0.0F), redundancy_of_first(1.2F)) << "keys are compared as cached, after rotation";
}

TEST(TrapSumOverTheWindow, importance_is_a_mean_over_window_queries) {
  WorkedExample one, two;
  one.shape.pool_kernel = two.shape.pool_kernel = 1;
  one.shape.n_queries = 1;
  one.query.resize(4);
  for (const WorkedExample& example : {one, two}) {
    const std::vector<float> a = example.importance();
    EXPECT_NEAR(std::accumulate(a.begin(), a.end(), 0.0), 1.0, 1e-6) << "whatever the number of queries";
  }
}

// The definition of R-KV's official code written out in fp64.
struct LiteralRedundancy {
  std::vector<double> redundancy;
  std::vector<std::uint32_t> retained;
};

LiteralRedundancy literal_redundancy(const std::vector<float>& keys, std::uint32_t d,
                                     const std::vector<std::uint32_t>& slots, double threshold) {
  const std::size_t n = slots.size();
  std::vector<std::uint32_t> found(n);
  const auto norm = [&](std::size_t i) {
    double square = 0;
    for (std::uint32_t c = 0; c < d; ++c) square += std::pow(keys[slots[i] * d + c], 2.0);
    return std::sqrt(square) + 1e-8;
  };
  std::vector<double> r(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(n, 0.0);
    std::size_t retained = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (i == j) continue;
      for (std::uint32_t c = 0; c < d; ++c) row[j] += double{keys[slots[i] * d + c]} * keys[slots[j] * d + c];
      row[j] /= norm(i) * norm(j);
      if (row[j] > threshold) retained = j;
    }
    row[retained] = 0;
    found[i] = static_cast<std::uint32_t>(retained);
    for (std::size_t j = 0; j < n; ++j) r[j] += row[j] / static_cast<double>(n);
  }
  double sum = 0;
  for (double& x : r) sum += x = std::exp(x);
  for (double& x : r) x /= sum;
  return {r, found};
}

// `alike` of n rows, here and there, lean to a common direction and so have near-duplicates; the others hardly do. The
// search goes another way at each mixture: all pairs from both sides, some, none.
TEST(RkvRedundancy, agrees_with_the_literal_definition_however_many_keys_are_alike) {
  const unsigned seed = 20263;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::uint32_t d = 24, n = 210;
  std::vector<std::uint32_t> slots(n);
  std::iota(slots.begin(), slots.end(), 0U);
  for (const double alike : {0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0}) {
    SCOPED_TRACE(alike);
    std::bernoulli_distribution leans(alike);
    std::vector<float> keys(std::size_t{n} * d);
    for (std::uint32_t i = 0; i < n; ++i) {
      const float lean = leans(random) ? 1.2F : 0.0F;
      for (std::uint32_t c = 0; c < d; ++c) keys[i * d + c] = normal(random) + lean;
    }
    const LiteralRedundancy expected = literal_redundancy(keys, d, slots, 0.5);
    std::vector<float> unit(keys.size()), red(n);
    std::vector<std::uint32_t> retained(n);
    unit_keys(keys, d, unit);
    KeyPanels panels;
    panels.gather(unit, d, slots);
    RedundancyScratch scratch;
    for_each_simd_path([&] {
      rkv_redundancy(unit, slots, panels, 0.5F, red, retained, scratch);
      EXPECT_EQ(retained, expected.retained);
      expect_near(red, expected.redundancy, 2e-7);
    });
  }
}

TEST(RkvRedundancy, agrees_with_the_literal_definition_on_random_keys) {
  const unsigned seed = 20261;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const std::uint32_t d : {3U, 16U, 40U}) {
    for (const std::size_t n : {1U, 15U, 16U, 17U, 75U}) {
      std::vector<float> keys(200 * d);
      for (float& x : keys) x = normal(random) + 0.4F;
      std::vector<std::uint32_t> slots(200);
      std::iota(slots.begin(), slots.end(), 0U);
      std::shuffle(slots.begin(), slots.end(), random);
      slots.resize(n);
      const std::vector<double> expected = literal_redundancy(keys, d, slots, 0.5).redundancy;
      std::vector<float> first;
      for_each_simd_path([&] {
        std::vector<float> unit(keys.size()), red(n);
        unit_keys(keys, d, unit);
        KeyPanels panels;
        panels.gather(unit, d, slots);
        RedundancyScratch scratch;
        rkv_redundancy(unit, slots, panels, 0.5F, red, {}, scratch);
        expect_near(red, expected, 2e-7);
        if (first.empty()) first = red;
        EXPECT_EQ(red, first) << "paths must agree bit for bit";
      });
    }
  }
}

TEST(RkvImportance, agrees_with_the_literal_definition_on_random_queries) {
  const unsigned seed = 20262;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const std::uint32_t group : {1U, 3U, 4U}) {
    for (const std::uint32_t n_queries : {1U, 8U}) {
      const std::uint32_t d = 20, m = 53, kernel = 7;
      std::vector<float> keys(70 * d), query(std::size_t{n_queries} * group * d);
      for (float& x : keys) x = normal(random);
      for (float& x : query) x = 3 * normal(random);
      std::vector<std::uint32_t> slots(60);
      for (std::uint32_t j = 0; j < slots.size(); ++j) slots[j] = (j * 7 + 3) % 70;
      std::vector<double> mean(m, 0.0), pooled(m);
      for (std::uint32_t i = 0; i < n_queries; ++i) {
        std::vector<double> row(m, -1e300);
        double sum = 0;
        for (std::uint32_t j = 0; j < m; ++j) {
          for (std::uint32_t g = 0; g < group; ++g) {
            double dot = 0;
            for (std::uint32_t c = 0; c < d; ++c)
              dot += double{query[(i * group + g) * d + c]} * keys[slots[j] * d + c];
            row[j] = std::max(row[j], dot / std::sqrt(20.0));
          }
        }
        for (double& x : row) sum += x = std::exp(x);
        for (std::uint32_t j = 0; j < m; ++j) mean[j] += row[j] / sum / n_queries;
      }
      for (std::uint32_t j = 0; j < m; ++j) {
        const std::uint32_t end = std::min(m, j + kernel / 2 + 1);
        pooled[j] = *std::max_element(mean.begin() + (j < 3 ? 0 : j - 3), mean.begin() + end);
      }
      std::vector<float> first;
      for_each_simd_path([&] {
        KeyPanels panels;
        panels.gather(keys, d, slots);
        std::vector<float> a(m);
        ImportanceScratch scratch;
        rkv_importance(query, panels, {n_queries, group, m, kernel, false}, a, scratch);
        for (std::uint32_t j = 0; j < m; ++j) EXPECT_NEAR(a[j], pooled[j], 1e-5 * pooled[j] + 1e-9);
        if (first.empty()) first = a;
        EXPECT_EQ(a, first) << "paths must agree bit for bit";
      });
    }
  }
}

TEST(RkvImportance, bfloat16_rounding_keeps_eight_bits) {
  WorkedExample example;
  example.shape.pool_kernel = 1;
  const std::vector<float> exact = example.importance();
  example.shape.round_bf16 = true;
  const std::vector<float> rounded = example.importance();
  for (std::size_t j = 0; j < exact.size(); ++j) {
    EXPECT_NE(exact[j], rounded[j]);
    EXPECT_NEAR(exact[j], rounded[j], exact[j] / 256);
  }
}

}  // namespace
}  // namespace kvwave::kernels
