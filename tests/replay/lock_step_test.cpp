// Allocators that move budget between layers: all layers take each refresh together.
#include "replay/lock_step.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "replay/replay_trace.h"
#include "tests/replay/brute_force.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

SyntheticOptions options_of(std::uint64_t seed) {
  SyntheticOptions options;
  options.shape = {.n_layers = 3, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  options.n_prompt = 20;
  options.n_positions = 100;
  options.seed = seed;
  options.qkv_dtype = traces::FloatType::f32;
  return options;
}

SweepRequest request_of(const std::vector<std::string>& strategies, std::uint32_t budget) {
  SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  request.budgets = {budget};
  request.controls = false;
  return request;
}

std::unique_ptr<TraceReplay> replay(const traces::TraceReader& trace, const std::vector<std::string>& strategies,
                                    unsigned threads, std::uint64_t layer_bytes) {
  ReplayOptions options;
  options.keep_details = true;
  options.layer_bytes = layer_bytes;
  kernels::ThreadPool pool(threads);
  const std::vector<double> demand(trace.shape().n_layers, 5.0);
  return replay_trace(trace, 7, request_of(strategies, 16), demand, options, pool, [](std::uint64_t, std::uint64_t) {});
}

// Asks for scores and gives layer l `shift[l]` entries more than it had at first.
class Shifting final : public alloc::Allocator {
 public:
  Shifting(std::vector<std::int32_t> shift, bool once) : shift_(std::move(shift)), once_(once) {}
  bool replans_layers() const override { return true; }
  alloc::ReplanNeeds replan_needs() const override {
    alloc::ReplanNeeds needs;
    needs.scores = true;
    needs.dispersion = true;
    needs.demand_rho = 0.9;
    needs.once = once_;
    return needs;
  }
  alloc::LayerPlan layer_plan(const alloc::LayerPlanInput& input) const override {
    alloc::LayerPlan plan;
    plan.budget.assign(input.n_layers, static_cast<std::int32_t>(input.budget * input.n_kv_heads));
    return plan;
  }
  alloc::ReplanReport replan(const alloc::LayerReplanInput& input,
                             std::span<std::int32_t> layer_budget) const override {
    EXPECT_EQ(input.layers.size(), shift_.size());
    EXPECT_EQ(input.n_earlier, static_cast<std::uint32_t>(n_seen_.size()));
    EXPECT_EQ(input.memory.size(), shift_.size());
    n_seen_.push_back(input.n_seen);
    for (std::size_t l = 0; l < shift_.size(); ++l) {
      EXPECT_EQ(input.layers[l].residents.size(), input.n_kv_heads);
      EXPECT_EQ(input.layers[l].scores[0].size() + input.window, input.layers[l].residents[0]);
      EXPECT_GT(input.layers[l].demand, 0);
      EXPECT_LE(input.layers[l].demand, input.layers[l].residents[0]);
      EXPECT_GT(input.layers[l].entropy, 0);
      EXPECT_GT(input.layers[l].variance, 0);
      layer_budget[l] = static_cast<std::int32_t>(input.budget * input.n_kv_heads) + shift_[l];
    }
    return {.unused = 12, .floors_hit = 1, .caps_hit = 2};
  }
  mutable std::vector<std::uint32_t> n_seen_;

 private:
  std::vector<std::int32_t> shift_;
  bool once_;
};

std::vector<LayerResidency> run_shifting(const traces::TraceReader& trace, const std::string& scorer,
                                         const std::shared_ptr<Shifting>& allocator) {
  const Sequence sequence = sequence_of(trace);
  Sweep sweep = build_sweep(request_of({"uniform/" + scorer}, 16), sequence, {});
  sweep.simulations.front().allocator = allocator;
  kernels::ThreadPool pool(2);
  std::vector<StatisticsScratch> scratch(pool.size());
  LayerStore layers(trace, sequence, 0);
  const alloc::Rope rope;
  LockStep lock_step(sweep.simulations, sequence, 7, rope, layers, pool, scratch);
  lock_step.run([] {});
  const std::vector<ReplanTally> tallies = lock_step.tallies(1);
  std::vector<ConfigurationSummary> summaries(1);
  set_plan_figures(sweep, sequence, tallies, summaries);
  EXPECT_EQ(tallies[0].n_replans, allocator->n_seen_.size());
  EXPECT_DOUBLE_EQ(summaries[0].total.granted_unused, 12.0 / (sequence.n_layers * sequence.n_kv_heads))
      << "mean over refreshes, per KV head";
  EXPECT_DOUBLE_EQ(summaries[0].total.floors_hit, 1);
  EXPECT_DOUBLE_EQ(summaries[0].total.caps_hit, 2);
  std::vector<LayerResidency> found;
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    const std::shared_ptr<const LayerTensors> tensors = layers.get(layer);
    std::vector<StartedSimulation> started = lock_step.take(layer);
    EXPECT_EQ(started.size(), 1U);
    found.push_back(std::move(
        simulate_all(sweep.simulations, sequence, layer, {.tensors = tensors.get()}, 7, started, pool, scratch)
            .front()));
  }
  return found;
}

TEST(LockStep, with_unmoved_budgets_is_the_uniform_simulation) {
  const TemporaryFolder folder;
  const SyntheticOptions options = options_of(71);
  write_synthetic(folder / "trace.h5", options);
  const traces::TraceReader trace(folder / "trace.h5");
  for (const std::string scorer : {"rkv:window=4,buffer=8", "h2o", "lazyeviction:window=6"}) {
    for (const bool once : {false, true}) {
      const auto still = std::make_shared<Shifting>(std::vector<std::int32_t>{0, 0, 0}, once);
      const std::vector<LayerResidency> together = run_shifting(trace, scorer, still);
      const auto alone = replay(trace, {"uniform/" + scorer}, 1, 0);
      EXPECT_EQ(still->n_seen_.size() == 1, once) << scorer;
      for (std::size_t layer = 0; layer < 3; ++layer) {
        EXPECT_EQ(together[layer].evicted_at, alone->residency[layer][0].evicted_at())
            << scorer << " layer " << layer << " once " << once;
      }
    }
  }
}

TEST(LockStep, gives_each_layer_what_the_allocator_moved_to_it) {
  const TemporaryFolder folder;
  write_synthetic(folder / "trace.h5", options_of(72));
  const traces::TraceReader trace(folder / "trace.h5");
  const Sequence sequence = sequence_of(trace);
  const auto shifting = std::make_shared<Shifting>(std::vector<std::int32_t>{6, 0, -6}, false);
  const std::vector<LayerResidency> found = run_shifting(trace, "rkv:window=4,buffer=8", shifting);
  EXPECT_EQ(shifting->n_seen_.front(), 20U) << "the cut after the prompt is the first";
  EXPECT_EQ(found[0].budget.front() + found[0].budget[1], 38);
  // Step 13 follows the refresh of step 12 (position 32); a layer that grew holds what it kept and the new ones.
  EXPECT_EQ(found[2].resident_counts(sequence)[13], 13U + 1U);
  EXPECT_EQ(found[1].resident_counts(sequence)[13], 16U + 1U);
  EXPECT_LE(found[0].resident_counts(sequence)[13], 19U + 1U);
}

TEST(LockStep, is_the_same_whether_layers_stay_in_memory_and_on_any_number_of_threads) {
  const TemporaryFolder folder;
  write_synthetic(folder / "trace.h5", options_of(73));
  const traces::TraceReader trace(folder / "trace.h5");
  const std::vector<std::string> strategies = {"reasonalloc-dynamic/rkv:window=4,buffer=8", "cake/cake:window=4",
                                               "dynamickv/snapkv:window=4,buffer=8", "oracle/oracle:window=4,buffer=8",
                                               "uniform/h2o"};
  const auto kept = replay(trace, strategies, 1, std::uint64_t{1} << 30);
  const auto reread = replay(trace, strategies, 3, 0);
  bool moved = false;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    for (std::size_t i = 0; i < strategies.size(); ++i) {
      const LayerResidency one = kept->residency[layer][i].unpacked();
      EXPECT_EQ(one.evicted_at, reread->residency[layer][i].evicted_at()) << strategies[i] << " layer " << layer;
      EXPECT_EQ(one.budget, reread->residency[layer][i].rest().budget) << strategies[i] << " layer " << layer;
      moved |= one.budget.back() != 16;
    }
  }
  EXPECT_TRUE(moved);
  ASSERT_EQ(kept->replans.size(), kept->sweep.simulations.size());
  for (std::size_t i = 0; i < strategies.size(); ++i) {
    EXPECT_EQ(kept->replans[i].n_replans, reread->replans[i].n_replans) << strategies[i];
    EXPECT_EQ(kept->replans[i].unused, reread->replans[i].unused) << strategies[i];
    EXPECT_EQ(kept->replans[i].n_replans == 0, strategies[i] == "uniform/h2o") << strategies[i];
  }
}

TEST(PlanFigures, of_budgets_that_do_not_move_are_those_of_the_plan) {
  Sequence sequence;
  sequence.n_layers = 4;
  sequence.n_q_heads = sequence.n_kv_heads = 1;
  sequence.n_positions = 500;
  SweepRequest request;
  request.strategies = {alloc::Strategy::parse("reasonalloc-layer/rkv"), alloc::Strategy::parse("uniform/rkv"),
                        alloc::Strategy::parse("full")};
  request.budgets = {100};
  request.controls = false;
  const std::vector<double> demand = {900, 1, 1, 80};
  const Sweep sweep = build_sweep(request, sequence, demand);
  std::vector<ConfigurationSummary> summaries(3);
  set_plan_figures(sweep, sequence, {}, summaries);
  EXPECT_EQ(summaries[0].total.floors_hit, 2);
  EXPECT_EQ(summaries[0].total.caps_hit, 1);
  EXPECT_EQ(summaries[1].total.floors_hit, 0);
  EXPECT_TRUE(std::isnan(summaries[0].total.granted_unused)) << "nothing is granted anew";
  EXPECT_TRUE(std::isnan(summaries[2].total.floors_hit)) << "the full cache has no budget";
}

}  // namespace
}  // namespace kvwave::replay
