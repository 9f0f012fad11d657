// How a request becomes configurations: controls, doubles, baselines, refusals.
#include "replay/sweep.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "alloc/error.h"

namespace kvwave::replay {
namespace {

const Sequence kSequence{3, 4, 2, 8, 500, 50};

Sweep sweep_of(const std::vector<std::string>& strategies, std::vector<std::uint32_t> budgets, bool controls = true) {
  SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  request.budgets = std::move(budgets);
  request.controls = controls;
  return build_sweep(request, kSequence, std::vector<double>{9, 5, 7});
}

std::vector<std::string> names(const Sweep& sweep) {
  std::vector<std::string> list;
  for (const Configuration& configuration : sweep.configurations) list.push_back(configuration.strategy);
  return list;
}

TEST(Sweep, adds_every_control_at_every_budget) {
  const Sweep sweep = sweep_of({"pyramid/rkv"}, {64, 128});
  const std::vector<std::string> once = {
      "pyramid/rkv", "full", "ceiling", "uniform/oracle", "oracle/rkv", "uniform/streaming", "uniform/random"};
  std::vector<std::string> expected = once;
  expected.insert(expected.end(), once.begin(), once.end());
  EXPECT_EQ(names(sweep), expected);
  EXPECT_EQ(sweep.ceilings.size(), 2U);
  EXPECT_FALSE(sweep.configurations[0].control);
  EXPECT_TRUE(sweep.configurations[1].control);
}

TEST(Sweep, a_control_asked_for_by_name_appears_once) {
  const std::vector<std::string> list =
      names(sweep_of({"uniform/rkv", "uniform/oracle", "uniform/random", "full"}, {64}));
  for (const char* const name : {"uniform/oracle", "uniform/random", "full"}) {
    EXPECT_EQ(std::count(list.begin(), list.end(), name), 1) << name;
  }
}

TEST(Sweep, doubles_are_dropped) {
  EXPECT_EQ(sweep_of({"uniform/rkv", "uniform/rkv:lambda=0.1"}, {64, 64}, false).configurations.size(), 1U);
}

TEST(Sweep, controls_take_trigger_window_and_prompt_rule_from_the_rkv_family) {
  const Sweep sweep = sweep_of({"uniform/streaming", "pyramid/snapkv:window=4,buffer=32,prompt=keep"}, {64});
  for (const Configuration& configuration : sweep.configurations) {
    if (!configuration.control || configuration.kind != ConfigurationKind::destructive) continue;
    const alloc::RefreshRule rule = sweep.simulations[configuration.simulations.front()].scorer->rule();
    EXPECT_EQ(rule.window, 4U) << configuration.strategy;
    EXPECT_EQ(rule.buffer, 32U);
    EXPECT_EQ(rule.prompt, alloc::PromptRule::keep);
  }
}

TEST(Sweep, random_is_the_mean_of_eight_seeds) {
  const Sweep sweep = sweep_of({"uniform/rkv"}, {64});
  const Configuration& random = sweep.configurations.back();
  ASSERT_EQ(random.strategy, "uniform/random");
  ASSERT_EQ(random.simulations.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(sweep.simulations[random.simulations[i]].strategy.scorer.integer("seed"), static_cast<int>(i));
  }
}

TEST(Sweep, memory_is_compared_with_the_uniform_strategy_of_the_same_scorer) {
  const Sweep sweep = sweep_of({"pyramid/snapkv", "uniform/rkv", "pyramid/rkv", "reasonalloc/rkv:lambda=0.2"}, {64});
  const auto baseline = [&](std::size_t i) { return sweep.configurations[sweep.configurations[i].baseline].strategy; };
  EXPECT_EQ(baseline(2), "uniform/rkv");
  EXPECT_EQ(baseline(0), "pyramid/snapkv") << "no uniform/snapkv here: the first strategy";
  EXPECT_EQ(baseline(3), "pyramid/snapkv") << "another lambda is another scorer";
}

TEST(Sweep, what_is_printed_parses_back) {
  const Sweep sweep = sweep_of({"reasonalloc:gamma=0.7,mu=0.3/rkv:lambda=0.2,buffer=64"}, {64});
  for (const Configuration& configuration : sweep.configurations) {
    if (configuration.kind == ConfigurationKind::ceiling) continue;
    const alloc::Strategy parsed = alloc::Strategy::parse(configuration.strategy);
    EXPECT_EQ(parsed, sweep.simulations[configuration.simulations.front()].strategy);
    EXPECT_EQ(parsed, alloc::Strategy::parse(configuration.full_text));
  }
}

TEST(Sweep, refuses_budgets_that_a_strategy_cannot_meet) {
  try {
    sweep_of({"uniform/rkv"}, {8});
    FAIL() << "a budget of the window alone";
  } catch (const alloc::BadBudget& error) {
    EXPECT_NE(std::string(error.what()).find("uniform/rkv at budget 8"), std::string::npos) << error.what();
  }
  EXPECT_THROW(sweep_of({"uniform/rkv:prompt=protect"}, {57}), alloc::BadBudget);
  EXPECT_NO_THROW(sweep_of({"uniform/rkv:prompt=protect"}, {58}));
}

TEST(Sweep, the_papers_systems_are_the_default) {
  const std::vector<alloc::Strategy> strategies = default_strategies();
  EXPECT_EQ(strategies.size(), 6U);
  EXPECT_EQ(strategies.front().short_text(), "uniform/rkv");
}

}  // namespace
}  // namespace kvwave::replay
