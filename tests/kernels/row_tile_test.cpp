// Attention row tiles, retained mass and weighted values against fp64 brute force, on every instruction-set path.
#include "kernels/row_tile.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/output_distance.h"
#include "kernels/retained_mass.h"
#include "kernels/weighted_values.h"
#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

using testing::for_each_simd_path;

struct RandomTile {
  RowTile shape;
  std::vector<float> query, key;
  std::vector<std::uint32_t> n_visible;

  RandomTile(std::mt19937& random, std::uint32_t n_lanes, std::uint32_t n_positions, std::uint32_t head_dim)
      : shape{n_lanes, n_positions, head_dim}, query(n_lanes * head_dim), key(n_positions * head_dim) {
    std::normal_distribution<float> normal;
    for (float& x : query) x = 2 * normal(random);
    for (float& x : key) x = normal(random);
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane)
      n_visible.push_back(static_cast<std::uint32_t>(1 + random() % n_positions));
    n_visible.back() = n_positions;
  }
  std::vector<float> rows() const {
    std::vector<float> prob(std::size_t{shape.n_positions} * shape.n_lanes, -1.0F);
    std::vector<std::int32_t> fixed(prob.size()), expected(prob.size());
    attention_rows(shape, query, key, n_visible, prob, fixed);
    to_fixed(prob, kFixedOne, expected);
    EXPECT_EQ(fixed, expected);
    return prob;
  }
};

TEST(AttentionRows, agree_with_fp64_softmax) {
  const unsigned seed = 31;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const std::uint32_t lanes : {16U, 32U, 48U, 80U}) {
    for (const std::uint32_t positions : {1U, 7U, 8U, 29U, 300U}) {
      const RandomTile tile(random, lanes, positions, lanes == 32 ? 5 : 64);
      for_each_simd_path([&] {
        const std::vector<float> prob = tile.rows();
        for (std::uint32_t lane = 0; lane < lanes; ++lane) {
          std::vector<double> expected(positions, 0.0);
          double sum = 0;
          for (std::uint32_t i = 0; i < tile.n_visible[lane]; ++i) {
            double dot = 0;
            for (std::uint32_t c = 0; c < tile.shape.head_dim; ++c) {
              dot += double{tile.query[c * lanes + lane]} * tile.key[i * tile.shape.head_dim + c];
            }
            sum += expected[i] = std::exp(dot / std::sqrt(double(tile.shape.head_dim)));
          }
          for (std::uint32_t i = 0; i < positions; ++i) {
            ASSERT_NEAR(prob[i * lanes + lane], expected[i] / sum, 1e-5 * expected[i] / sum) << i << " lane " << lane;
          }
        }
      });
    }
  }
}

TEST(AttentionRows, a_row_far_below_its_maximum_stays_finite) {
  for_each_simd_path([] {
    const std::vector<float> key = {1000, -1000, 999};
    std::vector<float> prob(3 * 16);
    std::vector<std::int32_t> fixed(prob.size());
    attention_rows({16, 3, 1}, std::vector<float>(16, 1.0F), key, std::vector<std::uint32_t>(16, 3), prob, fixed);
    EXPECT_NEAR(prob[0], 1 / (1 + std::exp(-1.0)), 1e-5);
    EXPECT_EQ(prob[16], 0.0F);
  });
}

TEST(AttentionRows, a_row_whose_largest_logits_come_late_is_as_exact) {
  // Blocks of positions are exponentiated against the largest logit so far: here every block raises it.
  const std::uint32_t n = 331;
  std::vector<float> key(n);
  for (std::uint32_t i = 0; i < n; ++i) key[i] = 0.15F * static_cast<float>(i);
  std::vector<std::uint32_t> n_visible(16, n);
  for (std::uint32_t lane = 0; lane < 16; ++lane) n_visible[lane] = 1 + 22 * lane;
  for_each_simd_path([&] {
    std::vector<float> prob(n * std::size_t{16});
    std::vector<std::int32_t> fixed(prob.size());
    attention_rows({16, n, 1}, std::vector<float>(16, 1.0F), key, n_visible, prob, fixed);
    for (std::uint32_t lane = 0; lane < 16; ++lane) {
      double sum = 0;
      for (std::uint32_t i = 0; i < n_visible[lane]; ++i) sum += std::exp(double{key[i]} - key[n_visible[lane] - 1]);
      for (std::uint32_t i = 0; i < n; ++i) {
        const double e = i < n_visible[lane] ? std::exp(double{key[i]} - key[n_visible[lane] - 1]) / sum : 0.0;
        ASSERT_NEAR(prob[i * std::size_t{16} + lane], e, 1e-5 * e) << i << " lane " << lane;
      }
    }
  });
}

TEST(KthLargest, agrees_with_sorting_and_counts_ties) {
  const unsigned seed = 32;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const RandomTile tile(random, 32, 200, 8);
  std::vector<float> prob = tile.rows();
  for (std::size_t i = 0; i < prob.size(); i += 3) prob[i] = std::round(prob[i] * 256) / 256;  // ties
  std::vector<std::uint32_t> k;
  for (std::uint32_t lane = 0; lane < 32; ++lane) k.push_back(static_cast<std::uint32_t>(1 + random() % 40));
  for_each_simd_path([&] {
    std::vector<float> value(32);
    std::vector<std::uint32_t> greater(32);
    kth_largest(tile.shape, prob, k, value, greater);
    for (std::uint32_t lane = 0; lane < 32; ++lane) {
      std::vector<float> column;
      for (std::uint32_t i = 0; i < 200; ++i) column.push_back(prob[i * 32 + lane]);
      std::sort(column.begin(), column.end(), std::greater<>());
      EXPECT_EQ(value[lane], column[k[lane] - 1]);
      EXPECT_EQ(greater[lane], std::count_if(column.begin(), column.end(), [&](float x) { return x > value[lane]; }));
    }
  });
}

TEST(RetainedMass, sums_by_word_and_by_line_are_exact_on_every_path) {
  const unsigned seed = 33;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (const std::uint32_t lanes : {1U, 3U, 6U, 16U, 29U, 48U, 83U}) {
    const std::uint32_t n = 411, stride = 96;
    std::vector<float> prob(n * stride);
    for (float& x : prob) x = static_cast<float>(random() % 1000) / 1e6F;
    std::vector<std::uint64_t> visible(n);
    for (std::uint64_t& word : visible) word = random();
    for_each_simd_path([&] {
      std::vector<std::int32_t> fixed(prob.size());
      to_fixed(std::span(prob).first(prob.size() - 5), kFixedOne, std::span(fixed).first(fixed.size() - 5));
      to_fixed(std::span(prob).last(5), kFixedOne, std::span(fixed).last(5));
      for (std::size_t i = 0; i < prob.size(); ++i) ASSERT_NEAR(fixed[i], prob[i] * 0x1p30, 0.5);
      for (const std::uint32_t configs : {1U, 16U, 40U, 64U}) {
        std::vector<std::int32_t> by_word(lanes * kWordConfigs), by_line(lanes);
        word_sums(fixed.data(), stride, lanes, visible, configs, by_word);
        for (std::uint32_t c = 0; c < configs; ++c) {
          std::vector<std::uint32_t> position;
          std::vector<std::int32_t> expected(lanes, 0);
          for (std::uint32_t i = 0; i < n; ++i) {
            if ((visible[i] >> c & 1) == 0) continue;
            position.push_back(i);
            for (std::uint32_t lane = 0; lane < lanes; ++lane) expected[lane] += fixed[i * stride + lane];
          }
          line_sums(fixed.data(), stride, position, {}, {}, by_line);
          ASSERT_EQ(by_line, expected) << lanes << " lanes";
          const std::span<const std::uint32_t> first = std::span(position).first(position.size() / 2);
          line_sums(fixed.data(), stride, {}, first, by_line, by_line);
          line_sums(fixed.data(), stride, first, {}, by_line, by_line);
          ASSERT_EQ(by_line, expected) << "what is taken away and added again";
          for (std::uint32_t lane = 0; lane < lanes; ++lane) {
            ASSERT_EQ(by_word[lane * kWordConfigs + c], expected[lane]);
          }
        }
      }
    });
  }
}

TEST(WeightedValues, agree_with_fp64) {
  const unsigned seed = 34;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const std::uint32_t width : {16U, 48U, 64U, 80U, 128U}) {
    for (const std::uint32_t lanes : {1U, 3U, 6U, 11U}) {
      const std::uint32_t n = 90, stride = 16;
      std::vector<float> prob(n * stride), value(n * width);
      for (float& x : prob) x = static_cast<float>(random() % 1000) / 1e5F;
      for (float& x : value) x = normal(random);
      std::vector<std::uint32_t> position;
      for (std::uint32_t i = 0; i < n; ++i) {
        if (random() % 3 == 0) position.push_back(i);
      }
      for_each_simd_path([&] {
        std::vector<float> out(lanes * width, -1.0F);
        const WeightedRows rows{prob.data(), stride, lanes, value, width};
        weighted_values(rows, position, {}, {}, out);
        for (std::uint32_t lane = 0; lane < lanes; ++lane) {
          for (std::uint32_t c = 0; c < width; ++c) {
            double expected = 0, scale = 0;
            for (const std::uint32_t i : position) {
              expected += double{prob[i * stride + lane]} * value[i * width + c];
              scale += std::abs(double{prob[i * stride + lane]} * value[i * width + c]);
            }
            ASSERT_NEAR(out[lane * width + c], expected, 1e-5 * scale);
          }
        }
      });
    }
  }
}

TEST(SquareDistances, agree_with_fp64_and_are_equal_on_every_path) {
  const unsigned seed = 35;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::uint32_t width = 48, lanes = 5;
  std::vector<float> start(lanes * width), part(start.size()), reference(start.size()), scale(lanes);
  for (std::vector<float>* values : {&start, &part, &reference, &scale}) {
    for (float& x : *values) x = normal(random);
  }
  std::vector<float> first;
  for_each_simd_path([&] {
    std::vector<float> distance(lanes);
    square_distances(start, -1.0F, part, scale, reference, width, distance);
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      double expected = 0;
      for (std::uint32_t i = lane * width; i < (lane + 1) * width; ++i) {
        const double difference = double{scale[lane]} * (double{start[i]} - part[i]) - reference[i];
        expected += difference * difference;
      }
      EXPECT_NEAR(distance[lane], expected, 1e-5 * expected);
    }
    if (first.empty()) first = distance;
    EXPECT_EQ(distance, first) << "paths must agree bit for bit";
  });
}

TEST(MarkLargest, marks_exactly_k_and_prefers_lower_positions_among_equals) {
  const RowTile tile{16, 6, 1};
  std::vector<float> prob(6 * 16);
  const float column[6] = {.1F, .3F, .1F, .1F, .3F, .1F};
  for (std::uint32_t i = 0; i < 6; ++i) std::fill_n(prob.begin() + i * 16, 16, column[i]);
  const std::vector<std::uint32_t> k(16, 4);
  std::vector<float> value(16), marked(prob.size());
  std::vector<std::uint32_t> greater(16);
  kth_largest(tile, prob, k, value, greater);
  mark_largest(tile, prob, k, value, greater, marked);
  const float expected[6] = {1, 1, 1, 0, 1, 0};
  for (std::uint32_t i = 0; i < 6; ++i) EXPECT_EQ(marked[i * 16 + 7], expected[i]);
}

}  // namespace
}  // namespace kvwave::kernels
