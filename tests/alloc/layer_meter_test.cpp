#include "alloc/layer_meter.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace kvwave::alloc {
namespace {

TEST(RowDemand, is_the_smallest_count_that_reaches_the_share) {
  std::vector<float> scratch;
  const std::vector<float> row = {.125F, .5F, .25F, .125F};
  EXPECT_EQ(row_demand(row, 0.5, scratch), 1U);
  EXPECT_EQ(row_demand(row, 0.51, scratch), 2U);
  EXPECT_EQ(row_demand(row, 0.75, scratch), 2U);
  EXPECT_EQ(row_demand(row, 1, scratch), 4U);
  EXPECT_EQ(row_demand(std::vector<float>{0, 0}, 0.5, scratch), 0U);
  EXPECT_EQ(row_demand(std::vector<float>{.05F, .05F}, 0.9, scratch), 2U) << "of the row's own sum";
}

TEST(LayerMeter, sums_entropy_and_unbiased_variance_over_candidates_of_all_caches) {
  // Two queries, one head, three residents of which two are candidates.
  const std::vector<float> prob = {.5F, .25F, .25F, .25F, .5F, .25F};
  ReplanNeeds needs;
  needs.dispersion = true;
  LayerMeter meter(needs);
  meter.add(prob, 2, 1, 3, 2);
  meter.add(prob, 2, 1, 3, 2);
  LayerState state;
  meter.finish(state);
  const double entropy = -2 * (.5 * std::log(.5 + 1e-10) + .25 * std::log(.25 + 1e-10));
  EXPECT_NEAR(state.entropy, 2 * entropy, 1e-12);
  EXPECT_NEAR(state.variance, 2 * 2 * (.125 * .125 * 2), 1e-12) << "divided by w - 1 = 1";
  EXPECT_EQ(state.demand, 0);
}

TEST(LayerMeter, averages_the_newest_rows_demand_over_query_heads) {
  // One query of two heads.
  const std::vector<float> prob = {1, 0, 0, 0, .25F, .25F, .25F, .25F};
  ReplanNeeds needs;
  needs.demand_rho = 0.93;
  EXPECT_EQ(LayerMeter::n_queries(needs, 8), 1U);
  LayerMeter meter(needs);
  meter.add(prob, 1, 2, 4, 3);
  LayerState state;
  meter.finish(state);
  EXPECT_EQ(state.demand, 2.5);
  EXPECT_EQ(state.entropy, 0);
}

TEST(LayerMeter, of_one_query_has_no_variance) {
  ReplanNeeds needs;
  needs.dispersion = true;
  EXPECT_EQ(LayerMeter::n_queries(needs, 8), 8U);
  LayerMeter meter(needs);
  meter.add(std::vector<float>{.5F, .5F}, 1, 1, 2, 1);
  LayerState state;
  meter.finish(state);
  EXPECT_EQ(state.variance, 0);
  EXPECT_EQ(LayerMeter::n_queries({}, 8), 0U);
}

}  // namespace
}  // namespace kvwave::alloc
