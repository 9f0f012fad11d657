// Both phases against tests/data/replay_reference.json: the same problem replayed by an independent numpy program in
// fp64 that was written from the definitions (tests/fixtures/make_replay_fixture.py).
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "replay/calibrate.h"
#include "replay/replay_trace.h"
#include "replay/summary.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

using nlohmann::json;

constexpr double kTolerance = 2e-6;  // of means over fp32 rows; the fixture is rounded to 7 digits

class IndependentReference : public testing::Test {
 protected:
  IndependentReference() : pool_(2) {
    std::ifstream in(std::string(KVWAVE_TEST_DATA) + "/replay_reference.json");
    fixture_ = json::parse(in);
  }

  std::vector<float> values(const char* name) const {
    const float scale = fixture_["shape"]["scale"].get<float>();
    std::vector<float> values;
    for (const json& x : fixture_[name]) values.push_back(x.get<float>() / scale);
    return values;
  }

  // The fixture's queries, keys and values as a recorded trace whose first n_prompt positions are the prompt.
  std::unique_ptr<traces::TraceReader> record(std::uint32_t n_prompt) {
    const json& shape = fixture_["shape"];
    SyntheticOptions options;
    options.shape = {.n_layers = shape["n_layers"],
                     .n_q_heads = shape["n_q_heads"],
                     .n_kv_heads = shape["n_kv_heads"],
                     .head_dim = shape["head_dim"]};
    options.n_positions = shape["n_positions"];
    options.n_prompt = n_prompt;
    SyntheticTrace trace = make_synthetic(options);
    trace.q = values("q");
    trace.k = values("k");
    trace.v = values("v");
    const auto path = folder_ / (std::to_string(n_prompt) + ".h5");
    write_trace(path, trace, options);
    return std::make_unique<traces::TraceReader>(path);
  }

  std::unique_ptr<TraceReplay> replay(const traces::TraceReader& reader, const json& expected,
                                      const std::vector<double>& demand) {
    SweepRequest request;
    request.strategies = {alloc::Strategy::parse(expected["strategy"].get<std::string>())};
    request.budgets = {expected["budget"].get<std::uint32_t>()};
    request.ceiling = expected["kv_heads"][0].contains("ceiling");
    request.controls = false;
    ReplayOptions options;
    options.keep_details = true;
    return replay_trace(reader, 1, request, demand, options, pool_, [](std::uint64_t, std::uint64_t) {});
  }

  // Calls check(replay, expected) for every strategy and budget of every case.
  template <typename Check>
  void for_each_result(const Check& check) {
    for (const json& one : fixture_["cases"]) {
      const auto n_prompt = one["n_prompt"].get<std::uint32_t>();
      const auto reader = record(n_prompt);
      const auto demand = one["demand"].get<std::vector<double>>();
      for (const json& expected : one["results"]) {
        SCOPED_TRACE(expected["strategy"].get<std::string>() + " at " + expected["budget"].dump() + ", prompt of " +
                     std::to_string(n_prompt));
        check(*replay(*reader, expected, demand), expected);
      }
    }
  }

  TemporaryFolder folder_;
  kernels::ThreadPool pool_;
  json fixture_;
};

std::vector<std::int32_t> budgets_after(const LayerResidency& residency, std::int32_t step, std::size_t n_kv_heads) {
  std::size_t row = 0;
  while (row + 1 < residency.refresh_step.size() && residency.refresh_step[row + 1] <= step) ++row;
  const auto first = residency.budget.begin() + static_cast<std::ptrdiff_t>(row * n_kv_heads);
  return {first, first + static_cast<std::ptrdiff_t>(n_kv_heads)};
}

TEST_F(IndependentReference, evicts_the_same_entries_in_the_same_steps) {
  for_each_result([](const TraceReplay& replay, const json& expected) {
    for (std::size_t layer = 0; layer < replay.residency.size(); ++layer) {
      std::vector<std::int32_t> evicted_at;
      for (const json& kv_head : expected["evicted_at"][layer]) {
        for (const json& step : kv_head) evicted_at.push_back(step == -1 ? kNever : step.get<std::int32_t>());
      }
      EXPECT_EQ(replay.residency[layer][0].evicted_at(), evicted_at) << "layer " << layer;
    }
  });
}

TEST_F(IndependentReference, puts_the_same_budgets_in_force) {
  for_each_result([](const TraceReplay& replay, const json& expected) {
    for (std::size_t layer = 0; layer < replay.residency.size(); ++layer) {
      for (const auto& [step, budgets] : expected["budgets"][layer].items()) {
        EXPECT_EQ(budgets_after(replay.residency[layer][0].rest(), std::stoi(step), replay.sequence.n_kv_heads),
                  budgets.get<std::vector<std::int32_t>>())
            << "layer " << layer << " after step " << step;
      }
    }
  });
}

TEST_F(IndependentReference, measures_the_same_figures_of_every_kv_head) {
  for_each_result([](const TraceReplay& replay, const json& expected) {
    const auto summaries = summarise(*replay.sums, replay.sweep, sizeof(float));
    for (std::size_t i = 0; i < expected["kv_heads"].size(); ++i) {
      const json& want = expected["kv_heads"][i];
      const Figures& got = summaries[0].kv_heads[i];
      SCOPED_TRACE("kv_head " + std::to_string(i) + " of all layers'");
      EXPECT_NEAR(got.requested, want["requested"], kTolerance);
      EXPECT_NEAR(got.realised_mean, want["realised_mean"], kTolerance);
      EXPECT_EQ(got.realised_peak, want["realised_peak"]);
      EXPECT_NEAR(got.retained_mass, want["retained_mass"], kTolerance);
      EXPECT_NEAR(got.worst_decile, want["worst_decile"], kTolerance);
      EXPECT_NEAR(got.output_error, want["output_error"], kTolerance);
      EXPECT_NEAR(got.recall, want["recall"], kTolerance);
      EXPECT_EQ(got.needed_after_eviction, want["needed_after_eviction"]);
      if (want.contains("ceiling")) {
        EXPECT_NEAR(summaries[1].kv_heads[i].retained_mass, want["ceiling"], kTolerance);
      }
    }
  });
}

TEST_F(IndependentReference, counts_the_same_demand) {
  for (const json& one : fixture_["cases"]) {
    const TraceWave wave = trace_wave(*record(one["n_prompt"]), 0.93);
    for (std::size_t layer = 0; layer < wave.demand.size(); ++layer) {
      EXPECT_NEAR(wave.demand[layer], one["demand"][layer], kTolerance) << "layer " << layer;
    }
  }
}

}  // namespace
}  // namespace kvwave::replay
