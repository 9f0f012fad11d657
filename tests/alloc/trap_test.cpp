// Known ways to get an allocator wrong, one test each. Numbers refer to the list of traps in the project's
// specification of policies; the ones about residency and kernels have their tests in replay and kernels.
#include <algorithm>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

LayerPlan plan(const std::string& text, std::uint32_t layers, std::uint32_t budget, std::uint32_t window = 8) {
  static const std::vector<double> demand(64, 1.0);
  const HeadTable table = flat_table(layers, 2);
  LayerPlanInput input{.n_layers = layers,
                       .n_kv_heads = 2,
                       .budget = budget,
                       .window = window,
                       .demand = std::span(demand).first(layers)};
  input.table = &table;
  return allocator(text)->layer_plan(input);
}

TEST(Trap, no_1_a_budget_includes_the_window_once) {
  for (const ComponentSpec& spec : allocator_specs()) {
    for (const std::uint32_t window : {1U, 8U, 32U}) {
      EXPECT_EQ(plan(with_finite_budgets(spec.name), 16, 64, window).realised, 64 * 16 * 2)
          << spec.name << ' ' << window;
    }
  }
}

TEST(Trap, no_13_lambda_is_a_tenth_and_the_class_default_is_another_ranking) {
  EXPECT_EQ(Strategy::parse("uniform/rkv").scorer.word("lambda"), "0.1");
}

TEST(Trap, no_22_pyramid_holds_the_memory_of_uniform_unless_asked_for_the_official_rounding) {
  const auto overshoot = [](std::uint32_t layers, std::uint32_t budget) {
    const LayerPlan p = plan("pyramid:total=upstream", layers, budget);
    return 100.0 * static_cast<double>(p.realised - p.nominal) / static_cast<double>(p.nominal);
  };
  EXPECT_NEAR(overshoot(30, 64), 16.4, 0.05);
  EXPECT_NEAR(overshoot(30, 128), 9.8, 0.05);
  EXPECT_NEAR(overshoot(30, 256), 1.6, 0.05);
  EXPECT_NEAR(overshoot(30, 512), 0.1, 0.05);
  EXPECT_NEAR(overshoot(48, 64), 10.9, 0.05);
  EXPECT_NEAR(overshoot(48, 128), 15.6, 0.05);
  EXPECT_NEAR(overshoot(48, 256), 0.4, 0.05);
  EXPECT_NEAR(overshoot(48, 512), 1.8, 0.05);
  for (const std::uint32_t layers : {30U, 48U}) {
    for (const std::uint32_t budget : {64U, 128U, 256U, 512U}) {
      EXPECT_EQ(plan("pyramid", layers, budget).realised, plan("uniform", layers, budget).realised);
    }
  }
}

TEST(Trap, no_25_demand_is_scaled_to_the_budget_before_it_is_clipped) {
  // Clipping raw demand against its own mean (245.5) would cut 900 to 491 and raise nothing to 61 after the root.
  const std::vector<double> demand = {900, 1, 1, 80};
  const LayerPlan p = allocator("reasonalloc-layer")
                          ->layer_plan({.n_layers = 4, .n_kv_heads = 1, .budget = 100, .window = 8, .demand = demand});
  EXPECT_EQ(p.budget, (std::vector<std::int32_t>{237, 30, 30, 103}));
}

TEST(Trap, no_25_clipping_does_not_change_the_sum) {
  const std::vector<double> demand = {900, 1, 1, 1, 1, 1, 1};
  for (const std::string text : {"reasonalloc", "reasonalloc-layer:operator=waterfill"}) {
    const LayerPlan p =
        allocator(text)->layer_plan({.n_layers = 7, .n_kv_heads = 3, .budget = 50, .window = 8, .demand = demand});
    EXPECT_EQ(sum(p.budget), 50 * 7 * 3);
  }
}

TEST(Trap, no_25_a_head_floor_below_the_window_is_raised_to_window_plus_one) {
  // Budget 128, a layer at a quarter of it, a head at a quarter of that: 8 entries, which is the window alone.
  const LayerScores layer = scores_with_counts({500, 0, 0, 0}, 400, 8);
  const std::vector<std::int32_t> budget = layer.budgets(*allocator("reasonalloc:window=inside"), 128);
  EXPECT_EQ(sum(budget), 128);
  EXPECT_EQ(*std::min_element(budget.begin(), budget.end()), 9);
}

TEST(Trap, no_25_the_threshold_is_one_for_the_layer_not_one_per_head) {
  // Per-head thresholds would see equal counts and divide equally.
  const LayerScores layer = scores_with_counts({200, 10}, 300, 8);
  const std::vector<std::int32_t> budget = layer.budgets(*allocator("reasonalloc-head"), 210 + 16);
  EXPECT_GT(budget[0], 3 * budget[1]);
}

TEST(Trap, no_25_ties_at_the_threshold_inflate_counts_but_not_the_total) {
  LayerScores layer;
  layer.score = {std::vector<float>(300, 0.5F), std::vector<float>(300, 0.25F), std::vector<float>(300, 0.25F)};
  const std::vector<std::int32_t> budget = layer.budgets(*allocator("reasonalloc-head"), 350 + 24);
  EXPECT_EQ(sum(budget), 374);
  EXPECT_EQ(budget, (std::vector<std::int32_t>{125, 125, 124})) << "all 900 tie in, so the heads share equally";
}

TEST(Trap, no_25_budget_above_what_a_head_holds_goes_to_the_others) {
  LayerScores layer = scores_with_counts({300, 40, 40}, 400, 8);
  layer.score[0].assign(30, 100.0F);
  const std::int32_t total = 240 + 24;
  const std::vector<std::int32_t> moved = layer.budgets(*allocator("reasonalloc-head"), total);
  const std::vector<std::int32_t> left = layer.budgets(*allocator("reasonalloc-head:surplus=leave"), total);
  EXPECT_EQ(moved[0], 38);
  EXPECT_GT(left[0], 38);
  EXPECT_EQ(sum(moved), total);
  EXPECT_EQ(sum(left), total);
}

TEST(Trap, no_25_layer_budgets_depend_on_the_profile_alone) {
  const auto rule = allocator("reasonalloc");
  const std::vector<double> demand = {5, 1, 3};
  const LayerPlanInput input{.n_layers = 3, .n_kv_heads = 2, .budget = 64, .window = 8, .demand = demand};
  const LayerPlan before = rule->layer_plan(input);
  scores_with_counts({50, 1}, 60, 8).budgets(*rule, before.budget[0]);
  EXPECT_EQ(rule->layer_plan(input).budget, before.budget);
}

TEST(Trap, no_30_no_state_passes_from_one_call_to_the_next) {
  const auto rule = allocator("reasonalloc");
  const LayerScores one = scores_with_counts({50, 1}, 160, 8), two = scores_with_counts({1, 90}, 160, 8);
  const std::vector<std::int32_t> first = one.budgets(*rule, 128);
  two.budgets(*rule, 90);
  EXPECT_EQ(one.budgets(*rule, 128), first);
}

}  // namespace
}  // namespace kvwave::alloc
