// What configurations lose of each row, on the device against fp64.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/replay/random_layer.h"

namespace kvwave::testing {
namespace {

using kernels::EvaluatedRows;
using kernels::EvaluationColumns;

// Stated in row_evaluation.cuh; an output is a mean of values, so its bound is one of |v|.
constexpr double kMassBound = 1e-5;
constexpr double kOutputBound = 3e-5;
constexpr double kNearTie = 1e-5;
constexpr std::int32_t kNever = 2147483647;

// One row, recomputed from its definition.
struct Row {
  std::vector<double> prob;
  std::vector<std::uint32_t> order;  // positions by probability, ties to the lower position
};

Row row_of(const RandomLayer& layer, std::uint32_t position, std::uint32_t q_head) {
  const std::span<const float> q = layer.query(position, q_head);
  Row row;
  double top = -1e300;
  for (std::uint32_t i = 0; i <= position; ++i) {
    const std::span<const float> k = layer.key(i, q_head / layer.group());
    double dot = 0;
    for (std::size_t c = 0; c < q.size(); ++c) dot += double{q[c]} * k[c];
    row.prob.push_back(dot / std::sqrt(static_cast<double>(q.size())));
    top = std::max(top, row.prob.back());
  }
  double sum = 0;
  for (double& p : row.prob) sum += p = std::exp(p - top);
  for (double& p : row.prob) p /= sum;
  row.order.resize(row.prob.size());
  std::iota(row.order.begin(), row.order.end(), 0U);
  std::stable_sort(row.order.begin(), row.order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return row.prob[a] > row.prob[b]; });
  return row;
}

// Whether the k largest are the same set after a rounding of the probabilities.
bool clear_cut(const Row& row, std::size_t k) {
  if (k >= row.order.size()) return true;
  const double in = row.prob[row.order[k - 1]], out = row.prob[row.order[k]];
  return in == out || in - out > kNearTie * in;
}

struct Seen {
  double mass = 0, distance = 0;  // of o_S from o
};

Seen seen(const RandomLayer& layer, const Row& row, std::uint32_t kv_head, const std::vector<bool>& visible) {
  const std::size_t d = layer.shape.head_dim;
  std::vector<double> full(d), part(d);
  Seen result;
  for (std::uint32_t i = 0; i < row.prob.size(); ++i) {
    const std::span<const float> v = layer.value(i, kv_head);
    if (visible[i]) result.mass += row.prob[i];
    for (std::size_t c = 0; c < d; ++c) {
      full[c] += row.prob[i] * v[c];
      if (visible[i]) part[c] += row.prob[i] * v[c];
    }
  }
  double square = 0;
  for (std::size_t c = 0; c < d; ++c) {
    const double o = result.mass > 0 ? part[c] / result.mass : 0.0;
    square += (o - full[c]) * (o - full[c]);
  }
  result.distance = std::sqrt(square);
  return result;
}

double largest_value(const RandomLayer& layer) {
  double largest = 0;
  for (std::uint32_t i = 0; i < layer.shape.n_positions; ++i) {
    for (std::uint32_t h = 0; h < layer.shape.n_kv_heads; ++h) {
      double square = 0;
      for (const float x : layer.value(i, h)) square += double{x} * x;
      largest = std::max(largest, std::sqrt(square));
    }
  }
  return largest;
}

class RowComparison {
 public:
  RowComparison(const RandomLayer& layer, std::uint32_t n_simulations, std::uint32_t n_ceilings, unsigned seed,
                std::int32_t trigger = 16)
      : layer_(layer), value_(largest_value(layer)) {
    std::mt19937 random(seed);
    const kernels::ReplayShape& shape = layer.shape;
    for (std::uint32_t c = 0; c < n_simulations; ++c) {
      evicted_at_.push_back(random_evictions(shape, trigger, random));
      if (c == 1) std::fill(evicted_at_.back().begin(), evicted_at_.back().end(), 0);       // sees nothing
      if (c == 2) std::fill(evicted_at_.back().begin(), evicted_at_.back().end(), kNever);  // sees all
    }
    for (std::uint32_t c = 0; c < n_ceilings; ++c) {
      std::vector<std::uint32_t>& counts = counts_.emplace_back(std::size_t{shape.n_kv_heads} * n_steps());
      for (std::uint32_t& count : counts) count = 1 + static_cast<std::uint32_t>(random() % shape.n_positions);
    }
    for (const auto& one : evicted_at_) columns.evicted_at.push_back(one.data());
    for (const auto& one : counts_) columns.ceiling_counts.push_back(one.data());
    columns.recall_count = 32;
    columns.needed_share = 0.01F;
  }

  EvaluationColumns columns;

  std::uint32_t n_steps() const { return layer_.shape.n_positions - layer_.shape.n_prompt; }

  void expect_rows(const EvaluatedRows& rows, std::uint32_t begin, std::uint32_t end) {
    const std::size_t n_sims = evicted_at_.size();
    ASSERT_EQ(rows.n_columns, n_sims + counts_.size());
    for (std::uint32_t step = begin; step < end; ++step) {
      const std::uint32_t position = layer_.shape.n_prompt + step;
      for (std::uint32_t q_head = 0; q_head < layer_.shape.n_q_heads; ++q_head) {
        SCOPED_TRACE(::testing::Message() << "step " << step << ", q_head " << q_head);
        const std::uint32_t kv_head = q_head / layer_.group();
        const Row row = row_of(layer_, position, q_head);
        const std::size_t index = std::size_t{step - begin} * layer_.shape.n_q_heads + q_head;
        for (std::size_t c = 0; c < rows.n_columns; ++c) {
          const std::size_t k = c < n_sims ? 0 : counts_[c - n_sims][std::size_t{kv_head} * n_steps() + step];
          if (c >= n_sims && !clear_cut(row, k)) continue;
          expect_column(rows, index * rows.n_columns + c, row, kv_head,
                        c < n_sims ? visible(c, kv_head, step) : top(row, k));
        }
        if (clear_cut(row, 32)) {
          const std::vector<bool> best = top(row, 32);
          for (std::size_t c = 0; c < n_sims; ++c) {
            const std::vector<bool> sees = visible(c, kv_head, step);
            std::uint32_t n = 0;
            for (std::size_t i = 0; i < best.size(); ++i) n += best[i] && sees[i] ? 1 : 0;
            EXPECT_EQ(rows.n_recalled[index * n_sims + c], n) << "column " << c;
          }
        }
      }
    }
  }

 private:
  void expect_column(const EvaluatedRows& rows, std::size_t at, const Row& row, std::uint32_t kv_head,
                     const std::vector<bool>& visible) {
    const Seen expected = seen(layer_, row, kv_head, visible);
    EXPECT_NEAR(rows.mass[at], expected.mass, kMassBound) << "column " << at % rows.n_columns;
    EXPECT_NEAR(std::sqrt(rows.square_error[at]), expected.distance, kOutputBound * value_)
        << "column " << at % rows.n_columns;
  }

  std::vector<bool> visible(std::size_t c, std::uint32_t kv_head, std::uint32_t step) const {
    std::vector<bool> sees;
    for (std::uint32_t i = 0; i <= layer_.shape.n_prompt + step; ++i) {
      sees.push_back(static_cast<std::int32_t>(step) <
                     evicted_at_[c][std::size_t{kv_head} * layer_.shape.n_positions + i]);
    }
    return sees;
  }
  static std::vector<bool> top(const Row& row, std::size_t k) {
    std::vector<bool> best(row.prob.size());
    for (std::size_t i = 0; i < std::min(k, best.size()); ++i) best[row.order[i]] = true;
    return best;
  }

  const RandomLayer& layer_;
  double value_;
  std::vector<std::vector<std::int32_t>> evicted_at_;
  std::vector<std::vector<std::uint32_t>> counts_;
};

kernels::ReplayShape shape_of(std::uint32_t n_kv_heads, std::uint32_t group, std::uint32_t head_dim,
                              std::uint32_t n_prompt, std::uint32_t n_positions) {
  return {.n_layers = 1,
          .n_q_heads = n_kv_heads * group,
          .n_kv_heads = n_kv_heads,
          .head_dim = head_dim,
          .n_positions = n_positions,
          .n_prompt = n_prompt};
}

void expect_parity(const RandomLayer& layer, std::uint32_t n_simulations, std::uint32_t n_ceilings, unsigned seed) {
  RowComparison comparison(layer, n_simulations, n_ceilings, seed);
  kernels::ReplayDevice device = layer.device();
  device.start_evaluation(comparison.columns);
  const std::uint32_t n_steps = comparison.n_steps();
  const std::uint32_t half = n_steps / 2;  // in two calls, as a long trace is
  comparison.expect_rows(device.evaluate(0, half), 0, half);
  comparison.expect_rows(device.evaluate(half, n_steps), half, n_steps);
}

TEST_F(ReplayOnDevice, rows_equal_fp64_for_every_length) {
  for (const std::uint32_t n : {1U, 2U, 31U, 32U, 33U, 63U, 65U, 128U}) {
    SCOPED_TRACE(::testing::Message() << n << " positions");
    expect_parity(random_layer(shape_of(1, 2, 64, n / 2, n), n), 3, 2, n);
  }
  for (const std::uint32_t n : {255U, 256U, 257U}) {
    SCOPED_TRACE(::testing::Message() << n << " positions");
    expect_parity(random_layer(shape_of(1, 1, 64, n - 40, n), n), 3, 1, n);
  }
}

TEST_F(ReplayOnDevice, rows_equal_fp64_for_every_group_and_head_dim) {
  for (const auto& [group, head_dim] :
       {std::pair{1U, 4U}, {2U, 64U}, {3U, 64U}, {4U, 128U}, {5U, 80U}, {6U, 4U}, {7U, 96U}, {8U, 256U}}) {
    SCOPED_TRACE(::testing::Message() << "head_dim " << head_dim << ", group " << group);
    expect_parity(random_layer(shape_of(1, group, head_dim, 10, 44), head_dim + group), 3, 1, group);
  }
}

TEST_F(ReplayOnDevice, rows_equal_fp64_for_every_number_of_configurations) {
  const RandomLayer layer = random_layer(shape_of(2, 1, 64, 20, 52), 51);
  for (const std::uint32_t n : {0U, 1U, 31U, 33U, 64U, 65U}) {
    SCOPED_TRACE(::testing::Message() << n << " configurations");
    expect_parity(layer, n, n % 2, n);
  }
}

TEST_F(ReplayOnDevice, rows_equal_fp64_when_something_is_dropped_at_every_step) {
  const RandomLayer layer = random_layer(shape_of(1, 2, 64, 20, 50), 55);
  RowComparison comparison(layer, 4, 0, 55, 1);
  kernels::ReplayDevice device = layer.device();
  device.start_evaluation(comparison.columns);
  comparison.expect_rows(device.evaluate(0, 30), 0, 30);
}

TEST_F(ReplayOnDevice, rows_equal_fp64_for_large_logits) {
  expect_parity(random_layer(shape_of(2, 2, 64, 20, 90), 61, 20.0F), 6, 2, 61);
}

TEST_F(ReplayOnDevice, figures_that_are_not_asked_for_stay_empty) {
  const RandomLayer layer = random_layer(shape_of(1, 2, 64, 5, 30), 71);
  RowComparison comparison(layer, 3, 1, 71);
  comparison.columns.error = false;
  comparison.columns.recall_count = 0;
  kernels::ReplayDevice device = layer.device();
  device.start_evaluation(comparison.columns);
  const EvaluatedRows rows = device.evaluate(0, 25);
  EXPECT_EQ(rows.mass.size(), 25U * 2 * 4);
  EXPECT_TRUE(rows.square_error.empty());
  EXPECT_TRUE(rows.square_output.empty());
  EXPECT_TRUE(rows.n_recalled.empty());
  EXPECT_TRUE(device.last_needed().empty());
}

TEST_F(ReplayOnDevice, repeats_itself_bit_for_bit) {
  const RandomLayer layer = random_layer(shape_of(2, 3, 80, 20, 90), 81);
  RowComparison comparison(layer, 9, 1, 81);
  kernels::ReplayDevice device = layer.device();
  device.start_evaluation(comparison.columns);
  const EvaluatedRows once = device.evaluate(0, 70);
  const std::vector<float> mass(once.mass.begin(), once.mass.end());
  const std::vector<float> error(once.square_error.begin(), once.square_error.end());
  const EvaluatedRows again = device.evaluate(0, 70);
  EXPECT_TRUE(std::equal(mass.begin(), mass.end(), again.mass.begin(), again.mass.end()));
  EXPECT_TRUE(std::equal(error.begin(), error.end(), again.square_error.begin(), again.square_error.end()));
}

TEST_F(ReplayOnDevice, knows_the_last_step_in_which_a_position_was_needed) {
  const RandomLayer layer = random_layer(shape_of(2, 2, 64, 20, 90), 91);
  RowComparison comparison(layer, 1, 0, 91);
  kernels::ReplayDevice device = layer.device();
  device.start_evaluation(comparison.columns);
  device.evaluate(0, 30);
  device.evaluate(30, 70);
  const std::vector<std::int32_t> actual = device.last_needed();
  std::vector<std::int32_t> least(actual.size(), -1), most(actual.size(), -1);
  for (std::uint32_t step = 0; step < 70; ++step) {
    for (std::uint32_t q_head = 0; q_head < 4; ++q_head) {
      const Row row = row_of(layer, 20 + step, q_head);
      for (std::size_t i = 0; i < row.prob.size(); ++i) {
        const std::size_t at = q_head / 2 * 90 + i;
        if (row.prob[i] > 0.01 * (1 + kNearTie)) least[at] = static_cast<std::int32_t>(step);
        if (row.prob[i] > 0.01 * (1 - kNearTie)) most[at] = static_cast<std::int32_t>(step);
      }
    }
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_GE(actual[i], least[i]) << i;
    EXPECT_LE(actual[i], most[i]) << i;
  }
}

TEST_F(ReplayOnDevice, sums_what_positions_will_still_get) {
  const RandomLayer layer = random_layer(shape_of(2, 3, 64, 20, 150), 101);
  kernels::ReplayDevice device = layer.device();
  for (const auto& [first, end] : {std::pair{20U, 150U}, {60U, 61U}, {70U, 101U}}) {
    const std::vector<double> actual = device.position_mass(first, end);
    std::vector<double> expected(actual.size());
    for (std::uint32_t position = first; position < end; ++position) {
      for (std::uint32_t q_head = 0; q_head < 6; ++q_head) {
        const Row row = row_of(layer, position, q_head);
        for (std::size_t i = 0; i < row.prob.size(); ++i) expected[q_head / 3 * 150 + i] += row.prob[i] / 3;
      }
    }
    for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], kMassBound * (end - first));
  }
}

}  // namespace
}  // namespace kvwave::testing
