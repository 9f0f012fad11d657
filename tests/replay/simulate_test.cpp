// Phase 1 against the worked example of R-KV, a literal fp64 simulation, and the traps that make a replay unfaithful.
#include "replay/simulate.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "kernels/cpu_features.h"
#include "tests/replay/brute_force.h"

namespace kvwave::replay {
namespace {

Sweep single(const std::string& strategy, std::uint32_t budget, const Sequence& sequence) {
  SweepRequest request;
  request.strategies = {alloc::Strategy::parse(strategy)};
  request.budgets = {budget};
  request.controls = false;
  const std::vector<double> demand(sequence.n_layers, 10.0);
  return build_sweep(request, sequence, demand);
}

LayerResidency simulate(const std::string& strategy, std::uint32_t budget, const SyntheticTrace& trace,
                        std::uint32_t layer = 0) {
  const Sequence sequence = sequence_of(trace);
  const Sweep sweep = single(strategy, budget, sequence);
  const LayerTensors tensors = layer_tensors(trace, layer);
  StatisticsScratch scratch;
  return simulate_layer(sweep.simulations.front(), sequence, layer, {&tensors, nullptr}, 7, scratch);
}

std::vector<std::int32_t> head_of(const LayerResidency& residency, std::uint32_t kv_head, std::uint32_t n_positions) {
  const auto first = residency.evicted_at.begin() + kv_head * n_positions;
  return {first, first + n_positions};
}

SyntheticTrace random_trace(std::uint64_t seed, std::uint32_t group = 2, std::uint32_t n_prompt = 20,
                            std::uint32_t n_positions = 120) {
  SyntheticOptions options;
  options.shape = {.n_layers = 2, .n_q_heads = 2 * group, .n_kv_heads = 2, .head_dim = 12};
  options.n_prompt = n_prompt;
  options.n_positions = n_positions;
  options.seed = seed;
  return make_synthetic(options);
}

// The worked example: one KV head, ten keys in the plane, two window steps, pool kernel 3.
SyntheticTrace worked_example() {
  SyntheticTrace trace;
  trace.info.shape = {.n_layers = 1, .n_q_heads = 2, .n_kv_heads = 1, .head_dim = 2};
  trace.info.n_prompt = 10;
  trace.n_positions = 11;
  for (const double degrees : {0, 8, 90, 97, 180, 15, 270, 55, 35, 10, 0}) {
    const double norm = degrees == 8 ? 2.0 : 1.0;
    trace.k.push_back(static_cast<float>(norm * std::cos(degrees * std::numbers::pi / 180)));
    trace.k.push_back(static_cast<float>(norm * std::sin(degrees * std::numbers::pi / 180)));
  }
  trace.v.assign(22, 1.0F);
  trace.q.assign(44, 0.0F);
  const std::vector<float> window = {2, 0, 0, 2, 0, 3, -1, 1};
  std::copy(window.begin(), window.end(), trace.q.begin() + 8 * 4);
  return trace;
}

// Slots in the order in which growing budgets take them up.
std::vector<int> ranking(const std::string& lambda) {
  const SyntheticTrace trace = worked_example();
  std::vector<int> order;
  for (std::uint32_t budget = 3; budget <= 10; ++budget) {
    const LayerResidency found = simulate("uniform/rkv:window=2,kernel=3,lambda=" + lambda, budget, trace);
    for (int slot = 0; slot < 8; ++slot) {
      if (found.evicted_at[slot] == kNever && std::find(order.begin(), order.end(), slot) == order.end()) {
        order.push_back(slot);
      }
    }
  }
  return order;
}

TEST(SimulateRkv, ranks_the_worked_example_as_published) {
  EXPECT_EQ(ranking("0.1"), (std::vector<int>{4, 6, 2, 3, 1, 7, 0, 5}));
  EXPECT_EQ(ranking("0.07"), (std::vector<int>{4, 6, 3, 2, 1, 7, 0, 5}));
  EXPECT_EQ(ranking("0.5"), (std::vector<int>{2, 4, 1, 0, 3, 6, 7, 5}));
  EXPECT_EQ(ranking("1"), (std::vector<int>{0, 1, 2, 3, 4, 6, 7, 5}));
}

TEST(TrapLambda, point_07_and_point_1_keep_other_entries) {
  EXPECT_NE(ranking("0.07"), ranking("0.1"));
  EXPECT_EQ(alloc::Strategy::parse("uniform/rkv").scorer.real("lambda"), 0.1);
}

TEST(TrapBudgetWithoutWindow, selected_plus_window_is_the_budget) {
  const LayerResidency found = simulate("uniform/rkv:window=2,kernel=3", 5, worked_example());
  std::vector<int> kept;
  for (int i = 0; i < 10; ++i) {
    if (found.evicted_at[i] == kNever) kept.push_back(i);
  }
  EXPECT_EQ(kept, (std::vector<int>{2, 4, 6, 8, 9}));
}

TEST(SimulateRkv, agrees_with_a_literal_simulation) {
  for (const std::uint64_t seed : {11U, 12U, 13U}) {
    for (const std::uint32_t group : {1U, 3U}) {
      const SyntheticTrace trace = random_trace(seed, group);
      for (const std::uint32_t layer : {0U, 1U}) {
        const LayerResidency rkv = simulate("uniform/rkv:window=4,buffer=8", 16, trace, layer);
        const LayerResidency snapkv =
            simulate("uniform/snapkv:window=4,buffer=8,kernel=5,order=time", 24, trace, layer);
        for (const std::uint32_t h : {0U, 1U}) {
          SCOPED_TRACE(::testing::Message()
                       << "seed " << seed << " group " << group << " layer " << layer << " head " << h);
          EXPECT_EQ(head_of(rkv, h, 120), literal_rkv(trace, layer, h, {}));
          EXPECT_EQ(head_of(snapkv, h, 120),
                    literal_rkv(trace, layer, h, {.budget = 24, .kernel = 5, .lambda = 1, .time_order = true}));
        }
      }
    }
  }
}

TEST(SimulateRkv, is_equal_on_every_instruction_set) {
  const SyntheticTrace trace = random_trace(21, 3);
  const LayerResidency best = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  const kernels::SimdPath before = kernels::simd_path();
  kernels::set_simd_path(kernels::SimdPath::baseline);
  const LayerResidency baseline = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  kernels::set_simd_path(before);
  EXPECT_EQ(best.evicted_at, baseline.evicted_at);
}

TEST(TrapCompactionBeforeAttention, drops_show_one_step_after_the_trigger) {
  const SyntheticTrace trace = random_trace(3);
  const LayerResidency found = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  std::set<std::int32_t> steps(found.evicted_at.begin(), found.evicted_at.end());
  steps.erase(kNever);
  ASSERT_GT(steps.size(), 5U);
  EXPECT_EQ(*steps.begin(), 0) << "the prompt of 20 is longer than the budget of 16";
  steps.erase(0);
  for (const std::int32_t step : steps) {
    EXPECT_EQ((20 + step - 1) % 8, 0) << "position of the deciding step counts from the prompt's start";
  }
}

TEST(TrapPromptPhase, cut_keep_and_protect_differ_as_documented) {
  const SyntheticTrace trace = random_trace(4);
  const auto dropped_with_prompt = [&](const std::string& rule) {
    const LayerResidency found = simulate("uniform/rkv:window=4,buffer=8,prompt=" + rule, 32, trace);
    return std::count(found.evicted_at.begin(), found.evicted_at.end(), 0);
  };
  EXPECT_EQ(dropped_with_prompt("cut"), 0) << "20 prompt tokens fit a budget of 32";
  const LayerResidency cut = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  EXPECT_EQ(std::count(cut.evicted_at.begin(), cut.evicted_at.end(), 0), 2 * 4) << "two heads, 20 - 16 each";
  const LayerResidency keep = simulate("uniform/rkv:window=4,buffer=8,prompt=keep", 16, trace);
  EXPECT_EQ(std::count(keep.evicted_at.begin(), keep.evicted_at.end(), 0), 0);
  EXPECT_EQ(*std::min_element(keep.evicted_at.begin(), keep.evicted_at.end()), 5) << "position 24 decides";
  const LayerResidency protect = simulate("uniform/rkv:window=4,buffer=8,prompt=protect", 32, trace);
  for (std::uint32_t h = 0; h < 2; ++h) {
    for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ(protect.evicted_at[h * 120 + i], kNever);
  }
  EXPECT_THROW(simulate("uniform/rkv:window=4,buffer=8,prompt=protect", 16, trace), alloc::BadBudget);
}

TEST(TrapPromptPhase, exactly_the_budget_loses_nothing_but_reorders_the_slots) {
  // With 16 prompt tokens and a budget of 16 the cut after the prompt only permutes; the literal simulation, which
  // permutes too, agrees at all later refreshes, one that skipped it would not.
  const SyntheticTrace trace = random_trace(5, 2, 16);
  const LayerResidency found = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  EXPECT_EQ(std::count(found.evicted_at.begin(), found.evicted_at.end(), 0), 0);
  EXPECT_EQ(head_of(found, 0, 120), literal_rkv(trace, 0, 0, {}));
}

TEST(TrapTimeOrderedSlots, storing_by_position_changes_what_is_kept) {
  const SyntheticTrace trace = random_trace(6);
  EXPECT_NE(simulate("uniform/rkv:window=4,buffer=8", 16, trace).evicted_at,
            simulate("uniform/rkv:window=4,buffer=8,order=time", 16, trace).evicted_at);
}

TEST(TrapEvictedTokensComingBack, residents_never_exceed_the_budget_after_a_refresh) {
  const SyntheticTrace trace = random_trace(7);
  const Sequence sequence = sequence_of(trace);
  const LayerResidency found = simulate("uniform/rkv:window=4,buffer=8", 16, trace);
  const std::vector<std::uint32_t> counts = found.resident_counts(sequence);
  for (std::uint32_t h = 0; h < 2; ++h) {
    for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) {
      const std::vector<bool> visible = visible_at(found, sequence, h, s);
      EXPECT_EQ(counts[h * sequence.n_steps() + s], std::count(visible.begin(), visible.end(), true));
      if (s > 0 && (sequence.n_prompt + s - 1) % 8 == 0) {
        EXPECT_EQ(counts[h * sequence.n_steps() + s], 17U) << "budget and the step's own entry";
      }
    }
  }
}

TEST(TrapPeakVersusSteady, a_cache_of_budget_B_reads_up_to_B_plus_the_buffer) {
  const SyntheticTrace trace = random_trace(8);
  const std::vector<std::uint32_t> counts =
      simulate("uniform/rkv:window=4,buffer=8", 16, trace).resident_counts(sequence_of(trace));
  EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 16U + 8U);
}

TEST(TrapStateLeaking, a_simulation_does_not_depend_on_what_ran_before) {
  const SyntheticTrace trace = random_trace(9), other = random_trace(10);
  const Sequence sequence = sequence_of(trace);
  const Sweep sweep = single("reasonalloc/rkv:window=4,buffer=8", 16, sequence);
  const LayerTensors tensors = layer_tensors(trace, 0), others = layer_tensors(other, 0);
  StatisticsScratch scratch;
  const auto run = [&](const LayerTensors& of) {
    return simulate_layer(sweep.simulations.front(), sequence, 0, {&of, nullptr}, 7, scratch).evicted_at;
  };
  const std::vector<std::int32_t> first = run(tensors);
  run(others);
  EXPECT_EQ(run(tensors), first);
}

TEST(TrapSinks, streaming_keeps_four_sinks_and_the_newest) {
  const SyntheticTrace trace = random_trace(14);
  const LayerResidency found = simulate("uniform/streaming:window=4,buffer=8", 16, trace);
  const std::vector<bool> visible = visible_at(found, sequence_of(trace), 0, 93);  // position 113, one after a trigger
  for (std::uint32_t i = 0; i < visible.size(); ++i) {
    EXPECT_EQ(visible[i], i < 4 || i > 112 - 12) << "position " << i;
  }
}

TEST(SimulateRandom, keeps_the_window_and_differs_between_heads_and_seeds) {
  const SyntheticTrace trace = random_trace(15);
  const Sequence sequence = sequence_of(trace);
  const Sweep sweep = single("uniform/random:window=4,buffer=8", 16, sequence);
  ASSERT_EQ(sweep.simulations.size(), kRandomSeeds);
  StatisticsScratch scratch;
  std::set<std::vector<std::int32_t>> outcomes;
  for (const Simulation& simulation : sweep.simulations) {
    const LayerResidency found = simulate_layer(simulation, sequence, 0, {}, 7, scratch);
    outcomes.insert(head_of(found, 0, 120));
    outcomes.insert(head_of(found, 1, 120));
    const std::vector<bool> visible = visible_at(found, sequence, 0, 93);
    for (std::uint32_t i = 109; i <= 113; ++i) EXPECT_TRUE(visible[i]);
  }
  EXPECT_EQ(outcomes.size(), 2 * kRandomSeeds);
}

TEST(SimulateReasonAlloc, head_budgets_keep_the_layers_total) {
  const SyntheticTrace trace = random_trace(16);
  const LayerResidency found = simulate("reasonalloc/rkv:window=4,buffer=8", 16, trace);
  ASSERT_FALSE(found.refresh_step.empty());
  EXPECT_EQ(found.refresh_step.front(), -1);
  bool uneven = false;
  for (std::size_t f = 0; f < found.refresh_step.size(); ++f) {
    EXPECT_EQ(found.budget[2 * f] + found.budget[2 * f + 1], 32);
    uneven |= found.budget[2 * f] != found.budget[2 * f + 1];
  }
  EXPECT_TRUE(uneven);
}

TEST(FutureMass, is_the_sum_of_all_later_rows) {
  const SyntheticTrace trace = random_trace(17, 3, 20, 60);
  kernels::ThreadPool pool(2);
  const LayerTensors tensors = layer_tensors(trace, 1);
  const FutureMass future(tensors, std::vector<std::uint32_t>{19, 24, 40, 59}, pool);
  for (const std::uint32_t after : {19U, 24U, 40U, 59U}) {
    for (std::uint32_t h = 0; h < 2; ++h) {
      std::vector<double> expected(after + 1, 0.0);
      for (std::uint32_t t = after + 1; t < 60; ++t) {
        for (std::uint32_t g = 0; g < 3; ++g) {
          const std::vector<double> row = exact_row(trace, 1, h * 3 + g, t);
          for (std::uint32_t i = 0; i <= after; ++i) expected[i] += row[i] / 3;
        }
      }
      for (std::uint32_t i = 0; i <= after; ++i)
        EXPECT_NEAR(future.after(h, after)[i], expected[i], 2e-5 * expected[i]);
    }
  }
}

}  // namespace
}  // namespace kvwave::replay
