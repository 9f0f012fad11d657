// A whole replay on the device, from the trace file to the summed figures, against the CPU's.
#include "replay/replay_trace.h"

#include <cstdio>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/cuda_on_cpu/replay/random_layer.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/error.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

using testing::ReplayOnDevice;

constexpr std::uint64_t kKey = 0x1234567890abcdefU;

SweepRequest request_of(const std::vector<std::string>& strategies, std::vector<std::uint32_t> budgets) {
  SweepRequest request;
  for (const std::string& strategy : strategies) request.strategies.push_back(alloc::Strategy::parse(strategy));
  request.budgets = std::move(budgets);
  request.clairvoyant_budgets = false;  // layers in step are for the CPU alone
  return request;
}

std::unique_ptr<TraceReplay> replay_on(int device, const std::filesystem::path& path, const SweepRequest& request,
                                       const Metrics& metrics, bool compare = false) {
  const traces::TraceReader trace(path);
  std::vector<double> demand;
  for (std::uint32_t l = 0; l < trace.shape().n_layers; ++l) demand.push_back(10.0 + 20.0 * l);
  ReplayOptions options;
  options.metrics = metrics;
  options.keep_details = true;
  options.device.index = device;
  options.compare_selections = compare;
  kernels::ThreadPool pool(1);
  return replay_trace(trace, kKey, request, demand, options, pool, [](std::uint64_t, std::uint64_t) {});
}

// Simulations that keep other entries on the device: nothing but ties that rounding decides may make them.
std::size_t count_unequal(const TraceReplay& cpu, const TraceReplay& device) {
  std::size_t unequal = 0;
  for (std::size_t l = 0; l < cpu.residency.size(); ++l) {
    for (std::size_t i = 0; i < cpu.residency[l].size(); ++i) {
      const LayerResidency a = cpu.residency[l][i].unpacked(), b = device.residency[l][i].unpacked();
      unequal += a.evicted_at != b.evicted_at || a.budget != b.budget || a.refresh_step != b.refresh_step ? 1 : 0;
    }
  }
  return unequal;
}

void expect_close(std::span<const double> cpu, std::span<const double> device, double bound, const char* what) {
  ASSERT_EQ(cpu.size(), device.size()) << what;
  for (std::size_t i = 0; i < cpu.size(); ++i) ASSERT_NEAR(cpu[i], device[i], bound) << what << ' ' << i;
}

void expect_same_figures(const TraceReplay& cpu, const TraceReplay& device) {
  const MetricSums &a = *cpu.sums, &b = *device.sums;
  const double per_step = 1e-5 * cpu.sequence.n_layers * cpu.sequence.n_q_heads;
  const double per_head = 1e-5 * cpu.sequence.n_steps();
  expect_close(a.step_mass, b.step_mass, per_step, "step_mass");
  expect_close(a.head_mass, b.head_mass, per_head, "head_mass");
  expect_close(a.head_error, b.head_error, 10 * per_head, "head_error");
  expect_close(a.head_output, b.head_output, 10 * per_head, "head_output");
  expect_close(a.head_bound, b.head_bound, 100 * per_head, "head_bound");
  expect_close(a.head_recall, b.head_recall, 1.0 / 32 + per_head, "head_recall");  // one near tie
  ASSERT_EQ(a.outcome.size(), b.outcome.size());
  for (std::size_t i = 0; i < a.outcome.size(); ++i) {
    EXPECT_EQ(a.outcome[i].held.requested, b.outcome[i].held.requested) << i;
    EXPECT_EQ(a.outcome[i].held.mean, b.outcome[i].held.mean) << i;
    EXPECT_EQ(a.outcome[i].held.peak, b.outcome[i].held.peak) << i;
    EXPECT_EQ(a.outcome[i].needed.n_positions, b.outcome[i].needed.n_positions) << i;
  }
}

void expect_parity(const SyntheticOptions& options, const SweepRequest& request, const Metrics& metrics = {}) {
  const TemporaryFolder folder;
  write_synthetic(folder / "t.h5", options);
  const auto cpu = replay_on(-1, folder / "t.h5", request, metrics);
  const auto device = replay_on(0, folder / "t.h5", request, metrics, true);
  ASSERT_TRUE(device->selections.has_value());
  const SelectionCounts& counts = *device->selections;
  std::printf("%llu selections, %llu differ by near ties, largest gap %.1e\n",
              static_cast<unsigned long long>(counts.n_selections), static_cast<unsigned long long>(counts.n_different),
              counts.largest_gap);
  EXPECT_GT(counts.n_selections, 0U);
  ASSERT_EQ(counts.n_beyond, 0U) << "largest gap " << counts.largest_gap << ", allowed " << kScoreBound;
  if (counts.n_different > 0) return;  // another past from there on
  ASSERT_EQ(count_unequal(*cpu, *device), 0U) << "equal selections, other residencies";
  expect_same_figures(*cpu, *device);
}

SyntheticOptions small_trace(std::uint64_t seed) {
  SyntheticOptions options;
  options.shape = {.n_layers = 2, .n_q_heads = 6, .n_kv_heads = 2, .head_dim = 16};
  options.n_prompt = 24;
  options.n_positions = 120;
  options.seed = seed;
  return options;
}

TEST_F(ReplayOnDevice, a_whole_replay_equals_the_cpu_s) {
  expect_parity(small_trace(1), request_of({"uniform/rkv:buffer=16", "uniform/snapkv:buffer=16,kernel=5",
                                            "pyramid/rkv:buffer=16", "reasonalloc/rkv:buffer=16"},
                                           {20, 32}));
}

TEST_F(ReplayOnDevice, replays_prompts_that_are_kept_or_protected) {
  expect_parity(small_trace(2), request_of({"uniform/rkv:buffer=32,prompt=keep,order=time",
                                            "reasonalloc-head/rkv:buffer=8,prompt=protect,precision=bf16"},
                                           {40}));
}

TEST_F(ReplayOnDevice, replays_without_error_and_recall) {
  expect_parity(small_trace(3), request_of({"uniform/rkv:buffer=16,window=1"}, {20}),
                {.mass = true, .error = false, .recall = false});
}

TEST_F(ReplayOnDevice, several_traces_one_after_the_other_give_what_each_gives_alone) {
  const TemporaryFolder folder;
  SweepRequest request = request_of({"uniform/rkv:buffer=16"}, {20});
  request.controls = false;
  std::vector<std::unique_ptr<TraceReplay>> alone;
  for (const std::uint64_t seed : {7U, 8U}) {
    const auto path = folder / (std::to_string(seed) + ".h5");
    SyntheticOptions options = small_trace(seed);
    options.n_positions = 64;
    write_synthetic(path, options);
    alone.push_back(replay_on(0, path, request, {}));
  }
  for (const std::size_t i : {0U, 1U, 0U}) {  // each reads its next layer while one is worked on
    const auto again = replay_on(0, folder / (std::to_string(7 + i) + ".h5"), request, {});
    EXPECT_EQ(count_unequal(*alone[i], *again), 0U);
    EXPECT_EQ(alone[i]->sums->step_mass, again->sums->step_mass);
    EXPECT_EQ(alone[i]->sums->head_error, again->sums->head_error);
  }
}

TEST_F(ReplayOnDevice, refuses_a_trace_without_queries_and_keys) {
  const TemporaryFolder folder;
  SyntheticOptions options = small_trace(4);
  options.levels.qkv = false;
  write_synthetic(folder / "t.h5", options);
  EXPECT_THROW(replay_on(0, folder / "t.h5", request_of({"uniform/streaming"}, {20}), {}), traces::MissingLevel);
}

TEST_F(ReplayOnDevice, refuses_a_device_that_is_not_there) {
  const TemporaryFolder folder;
  write_synthetic(folder / "t.h5", small_trace(5));
  EXPECT_THROW(replay_on(7, folder / "t.h5", request_of({"uniform/rkv"}, {20}), {}), kernels::DeviceUnavailable);
}

TEST_F(ReplayOnDevice, refuses_values_that_are_no_numbers) {
  const TemporaryFolder folder;
  write_synthetic(folder / "t.h5", small_trace(6), [](traces::TraceRow& row) {
    const float infinite = std::numeric_limits<float>::infinity();
    if (row.position == 50) std::memcpy(row.v.data(), &infinite, sizeof(infinite));
  });
  EXPECT_THROW(replay_on(0, folder / "t.h5", request_of({"uniform/rkv"}, {20}), {}), traces::CorruptTrace);
}

}  // namespace
}  // namespace kvwave::replay
