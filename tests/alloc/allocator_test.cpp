#include "alloc/allocator.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

TEST(DivideEvenly, gives_the_remainder_to_the_lower_index) {
  std::vector<std::int32_t> parts(3);
  divide_evenly(11, parts);
  EXPECT_EQ(parts, (std::vector<std::int32_t>{4, 4, 3}));
}

TEST(LargestRemainder, breaks_ties_by_the_lower_index) {
  std::vector<std::int32_t> out(4);
  round_largest_remainder(std::vector<double>{1.5, 2.5, 0.5, 1.5}, 6, out);
  EXPECT_EQ(out, (std::vector<std::int32_t>{2, 3, 0, 1}));
}

TEST(LargestRemainder, keeps_any_total_and_moves_no_value_by_one_or_more) {
  const unsigned seed = 20250101;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 50);
  for (int round = 0; round < 500; ++round) {
    std::vector<double> value(1 + random() % 40);
    for (double& v : value) v = uniform(random);
    const auto total = static_cast<std::int64_t>(std::accumulate(value.begin(), value.end(), 0.0));
    const double scale = static_cast<double>(total) / std::accumulate(value.begin(), value.end(), 0.0);
    for (double& v : value) v *= scale;
    std::vector<std::int32_t> out(value.size());
    round_largest_remainder(value, total, out);
    EXPECT_EQ(sum(out), total);
    for (std::size_t i = 0; i < value.size(); ++i) EXPECT_LT(std::abs(out[i] - value[i]), 1.0 + 1e-9);
  }
}

TEST(RaiseToFloor, takes_single_entries_from_the_largest_and_of_equals_from_the_highest_index) {
  std::vector<std::int32_t> value = {10, 10, 7, 1};
  EXPECT_EQ(raise_to_floor(value, 4), 1U);
  EXPECT_EQ(value, (std::vector<std::int32_t>{9, 8, 7, 4}));
}

TEST(RaiseToFloor, equals_taking_one_entry_at_a_time) {
  const unsigned seed = 7;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    const auto floor = static_cast<std::int32_t>(random() % 6);
    std::vector<std::int32_t> value(1 + random() % 12);
    for (auto& v : value) v = static_cast<std::int32_t>(random() % 15);
    if (sum(value) < std::int64_t{floor} * static_cast<std::int64_t>(value.size())) continue;
    std::vector<std::int32_t> expected = value;
    std::int64_t excess = 0;
    for (auto& v : expected) {
      excess += std::max(0, floor - v);
      v = std::max(v, floor);
    }
    for (; excess > 0; --excess) --*std::max_element(expected.rbegin(), expected.rend());
    raise_to_floor(value, floor);
    EXPECT_EQ(value, expected);
  }
}

TEST(SelectTop, equals_a_stable_sort_by_falling_score) {
  const unsigned seed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<float> score(random() % 200);
    const auto levels = 1 + random() % 50;  // few levels: many ties
    for (float& s : score) s = static_cast<float>(random() % levels) - 3;
    std::vector<std::uint32_t> order(score.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return score[a] > score[b]; });
    const auto k = score.empty() ? 0U : static_cast<std::uint32_t>(random() % (score.size() + 1));
    order.resize(k);
    EXPECT_EQ(select_top(score, k), order);
  }
}

TEST(UniformAllocator, gives_every_layer_the_same_and_divides_evenly) {
  const auto rule = allocator("uniform");
  const LayerPlan plan = rule->layer_plan({.n_layers = 3, .n_kv_heads = 4, .budget = 64, .window = 8, .demand = {}});
  EXPECT_EQ(plan.budget, (std::vector<std::int32_t>{256, 256, 256}));
  EXPECT_EQ(plan.nominal, 768);
  EXPECT_EQ(plan.realised, 768);
  EXPECT_FALSE(rule->needs_profile());
  EXPECT_FALSE(rule->needs_scores());
  std::vector<std::int32_t> heads(4);
  rule->head_budgets({.layer_budget = 258, .window = 8, .scores = {}, .residents = {}}, heads);
  EXPECT_EQ(heads, (std::vector<std::int32_t>{65, 65, 64, 64}));
}

std::string budget_error(const std::string& text, const LayerPlanInput& input) {
  try {
    allocator(text)->layer_plan(input);
  } catch (const BadBudget& error) {
    return error.what();
  }
  return "";
}

TEST(EveryAllocator, refuses_a_budget_that_holds_no_more_than_the_window) {
  const std::vector<double> demand = {1, 2};
  for (const ComponentSpec& spec : allocator_specs()) {
    const std::string name = with_finite_budgets(spec.name);
    const HeadTable table = flat_table(2, 2);
    LayerPlanInput input{.n_layers = 2, .n_kv_heads = 2, .budget = 8, .window = 8, .demand = demand};
    input.table = &table;
    EXPECT_EQ(budget_error(name, input), "budget 8 cannot hold a window of 8: the smallest that fits is 9") << name;
    input.budget = 0;
    EXPECT_NE(budget_error(name, input), "") << name;
    input.budget = 9;
    EXPECT_EQ(budget_error(name, input), "") << name;
    const LayerPlan plan = allocator(name)->layer_plan(input);
    EXPECT_EQ(plan.budget, (std::vector<std::int32_t>{18, 18})) << name;
    input.budget = 4'000'000'000U;
    EXPECT_NE(budget_error(name, input), "") << name;
  }
}

TEST(EveryAllocator, refuses_a_layer_budget_below_the_windows) {
  for (const ComponentSpec& spec : allocator_specs()) {
    const auto rule = allocator(std::string(spec.name));
    std::vector<std::int32_t> heads(2);
    EXPECT_THROW(rule->head_budgets({.layer_budget = 17, .window = 8, .scores = {}, .residents = {}}, heads),
                 BadBudget);
  }
}

}  // namespace
}  // namespace kvwave::alloc
