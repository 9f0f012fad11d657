#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

LayerPlan plan_layers(const std::string& text, const std::vector<double>& demand, std::uint32_t budget,
                      std::uint32_t kv_heads = 1, std::uint32_t window = 8) {
  return allocator(text)->layer_plan({.n_layers = static_cast<std::uint32_t>(demand.size()),
                                      .n_kv_heads = kv_heads,
                                      .budget = budget,
                                      .window = window,
                                      .demand = demand});
}

TEST(ReasonAllocLayers, matches_the_golden_vectors_of_both_operators) {
  EXPECT_EQ(plan_layers("reasonalloc-layer", {400, 100, 50, 450}, 100).budget,
            (std::vector<std::int32_t>{137, 69, 48, 146}));
  EXPECT_EQ(plan_layers("reasonalloc-layer", {900, 1, 1, 80}, 100).budget,
            (std::vector<std::int32_t>{237, 30, 30, 103}));
  EXPECT_EQ(plan_layers("reasonalloc-layer:operator=waterfill", {900, 1, 1, 80}, 100).budget,
            (std::vector<std::int32_t>{200, 25, 25, 150}));
}

TEST(ReasonAllocLayers, reports_how_many_bounds_acted) {
  const LayerPlan p = plan_layers("reasonalloc", {900, 1, 1, 80}, 100);
  EXPECT_EQ(p.floors_hit, 2U);
  EXPECT_EQ(p.caps_hit, 1U);
  EXPECT_EQ(p.nominal, 400);
  EXPECT_EQ(p.realised, 400);
}

TEST(ReasonAllocLayers, are_uniform_with_exponent_zero) {
  EXPECT_EQ(plan_layers("reasonalloc-layer:gamma=0", {900, 1, 1, 80}, 100).budget, (std::vector<std::int32_t>(4, 100)));
}

TEST(ReasonAllocLayers, keep_total_and_minimum_for_random_waves) {
  const unsigned seed = 99;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::vector<double> demand(1 + random() % 64);
    for (double& d : demand) d = static_cast<double>(random() % 1000);
    const auto kv_heads = static_cast<std::uint32_t>(1 + random() % 8);
    const auto window = static_cast<std::uint32_t>(1 + random() % 32);
    const auto budget = window + 1 + static_cast<std::uint32_t>(random() % 200);
    for (const std::string text :
         {"reasonalloc", "reasonalloc-layer:operator=waterfill", "reasonalloc-layer:lo=0,hi=1000"}) {
      const LayerPlan p = plan_layers(text, demand, budget, kv_heads, window);
      EXPECT_EQ(sum(p.budget), p.nominal);
      EXPECT_GE(*std::min_element(p.budget.begin(), p.budget.end()),
                static_cast<std::int32_t>((window + 1) * kv_heads));
      EXPECT_EQ(p.budget, plan_layers(text, demand, budget, kv_heads, window).budget);
    }
  }
}

TEST(ReasonAllocLayers, need_a_profile_of_as_many_layers) {
  for (const std::string text : {"reasonalloc", "reasonalloc-layer"}) {
    const auto rule = allocator(text);
    EXPECT_TRUE(rule->needs_profile());
    EXPECT_THROW(plan_layers(text, {1, std::numeric_limits<double>::infinity()}, 100), MissingProfile);
    const std::vector<double> three = {1, 2, 3};
    LayerPlanInput input{.n_layers = 4, .n_kv_heads = 1, .budget = 100, .window = 8, .demand = three};
    try {
      rule->layer_plan(input);
      ADD_FAILURE();
    } catch (const MissingProfile& error) {
      EXPECT_STREQ(error.what(), "the profile has 3 layers, the trace 4");
    }
    input.demand = {};
    EXPECT_THROW(rule->layer_plan(input), MissingProfile);
  }
  EXPECT_FALSE(allocator("reasonalloc-head")->needs_profile());
}

}  // namespace
}  // namespace kvwave::alloc
