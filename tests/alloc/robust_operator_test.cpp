#include "alloc/robust_operator.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

constexpr double kNoBound = 1e9;

std::vector<std::int32_t> rounded(const RobustShares& shares, std::int64_t total) {
  std::vector<std::int32_t> out(shares.share.size());
  round_largest_remainder(shares.share, total, out);
  return out;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 6e-4) << "item " << i;
}

TEST(RobustOperator, matches_the_golden_vector_without_clipping) {
  const std::vector<double> demand = {400, 100, 50, 450};
  for (const OperatorForm form : {OperatorForm::literal, OperatorForm::waterfill}) {
    const RobustShares r = robust_shares(demand, 0.5, 25, 200, 400, form);
    expect_near(r.share, {137.258, 68.629, 48.528, 145.584});
    EXPECT_EQ(rounded(r, 400), (std::vector<std::int32_t>{137, 69, 48, 146}));
    EXPECT_EQ(r.below + r.above, 0U);
  }
}

TEST(RobustOperator, literal_form_matches_the_golden_vector_and_leaves_its_bounds) {
  const RobustShares r = robust_shares(std::vector<double>{900, 1, 1, 80}, 0.5, 25, 200, 400, OperatorForm::literal);
  expect_near(r.share, {237.121, 29.640, 29.640, 103.598});
  EXPECT_EQ(rounded(r, 400), (std::vector<std::int32_t>{237, 30, 30, 103}));
  EXPECT_EQ(r.below, 2U);
  EXPECT_EQ(r.above, 1U);
}

TEST(RobustOperator, waterfill_form_matches_the_golden_vector_and_keeps_its_bounds) {
  const RobustShares r = robust_shares(std::vector<double>{900, 1, 1, 80}, 0.5, 25, 200, 400, OperatorForm::waterfill);
  expect_near(r.share, {200, 25, 25, 150});
}

TEST(RobustOperator, matches_the_golden_vectors_of_head_counts) {
  const std::vector<double> counts = {300, 84, 0, 0};
  EXPECT_EQ(rounded(robust_shares(counts, 0.5, 24, kNoBound, 384, OperatorForm::literal), 384),
            (std::vector<std::int32_t>{223, 118, 22, 21}));
  EXPECT_EQ(rounded(robust_shares(counts, 0.5, 24, kNoBound, 384, OperatorForm::waterfill), 384),
            (std::vector<std::int32_t>{220, 116, 24, 24}));
}

TEST(RobustOperator, shares_equally_when_nobody_demands_anything) {
  for (const OperatorForm form : {OperatorForm::literal, OperatorForm::waterfill}) {
    expect_near(robust_shares(std::vector<double>{0, 0, -5, 0}, 0.5, 25, 200, 400, form).share, {100, 100, 100, 100});
  }
}

TEST(RobustOperator, does_not_depend_on_the_unit_of_demand) {
  for (const OperatorForm form : {OperatorForm::literal, OperatorForm::waterfill}) {
    expect_near(robust_shares(std::vector<double>{9, 1, 4}, 0.5, 30, 300, 600, form).share,
                robust_shares(std::vector<double>{900, 100, 400}, 0.5, 30, 300, 600, form).share);
  }
}

TEST(RobustOperator, waterfill_gives_idle_items_what_full_ones_cannot_take) {
  const RobustShares r = robust_shares(std::vector<double>{900, 0, 0, 0}, 0.5, 25, 200, 400, OperatorForm::waterfill);
  expect_near(r.share, {200, 200.0 / 3, 200.0 / 3, 200.0 / 3});
}

TEST(RobustOperator, sums_to_the_total_and_waterfill_keeps_bounds_for_random_demands) {
  const unsigned seed = 424242;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t n = 1 + random() % 50;
    std::vector<double> demand(n);
    for (double& d : demand) d = random() % 4 == 0 ? 0 : std::pow(10, 6 * unit(random) - 3);
    const double mean = 20 + 1000 * unit(random);
    const double total = mean * static_cast<double>(n);
    const double low = unit(random) * mean, high = (1 + 3 * unit(random)) * mean, exponent = 2 * unit(random);
    for (const OperatorForm form : {OperatorForm::literal, OperatorForm::waterfill}) {
      const RobustShares r = robust_shares(demand, exponent, low, high, total, form);
      EXPECT_NEAR(std::accumulate(r.share.begin(), r.share.end(), 0.0), total, 1e-7 * total);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_GE(r.share[i], 0);
        if (form == OperatorForm::waterfill) {
          EXPECT_GE(r.share[i], low * (1 - 1e-9));
          EXPECT_LE(r.share[i], high * (1 + 1e-9));
        }
        for (std::size_t j = 0; j < n; ++j) {
          if (demand[i] > demand[j] && exponent > 0.01) {
            EXPECT_GE(r.share[i], r.share[j] * (1 - 1e-9)) << "more demand, less budget";
          }
        }
      }
    }
  }
}

TEST(WaterFill, levels_items_of_weight_zero_up_to_their_own_bounds) {
  expect_near(water_fill(std::vector<double>{1, 0, 0}, 0, std::vector<double>{10, 3, 50}, 30), {10, 3, 17});
}

}  // namespace
}  // namespace kvwave::alloc
