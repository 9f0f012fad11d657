// Every figure of METRICS.md against the fp64 brute force that was written from it, on random traces and on one
// recorded from the demo model.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "capture/commands.h"
#include "replay/figure_table.h"
#include "replay/places.h"
#include "replay/summary.h"
#include "tests/replay/brute_force.h"
#include "tests/replay/brute_summary.h"
#include "tests/replay/small_replay.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

constexpr std::uint32_t kPage = 4, kValueBytes = 2;

BruteColumn column_of(const Replayed& run, const SyntheticTrace& trace, std::uint32_t column) {
  const std::uint32_t n = run.sweep.n_simulations();
  const std::uint32_t followed =
      column < n ? column : run.sweep.configurations[run.sweep.ceilings[column - n]].simulations.front();
  BruteColumn brute;
  brute.budget = run.sweep.column_budget(column);
  brute.page = kPage;
  brute.value_bytes = kValueBytes;
  brute.ceiling = column >= n;
  brute.visible = [&run, &trace, column](std::uint32_t layer, std::uint32_t q_head, std::uint32_t step) {
    return seen(run, trace, column, layer, q_head, step);
  };
  brute.held = [&run, followed](std::uint32_t layer, std::uint32_t kv_head, std::uint32_t step) {
    const std::vector<bool> held = visible_at(run.residency[layer][followed], run.sequence, kv_head, step);
    return static_cast<std::uint32_t>(std::count(held.begin(), held.end(), true));
  };
  brute.requested = [&run, followed, held = brute.held](std::uint32_t layer, std::uint32_t kv_head,
                                                        std::uint32_t step) {
    const LayerResidency& found = run.residency[layer][followed];
    if (found.budget.empty()) return static_cast<double>(held(layer, kv_head, step));
    double budget = 0;
    for (std::size_t f = 0; f < found.refresh_step.size(); ++f) {
      if (found.refresh_step[f] < static_cast<std::int32_t>(step)) {
        budget = found.budget[f * run.sequence.n_kv_heads + kv_head];
      }
    }
    return budget;
  };
  return brute;
}

double tolerance(const std::string& name, double value) {
  if (name.starts_with("output_error")) return 2e-4 * value + 1e-5;
  if (name.starts_with("retained_mass")) return 1e-5;
  return 1e-6 * std::abs(value) + 1e-6;
}

void expect_equal(const Figures& found, const NamedValues& expected, const std::string& where) {
  for (const FigureColumn& figure : figure_table()) {
    const std::string name(figure.name);
    // These compare configurations; tested apart.
    if (name.starts_with("place_") || name == "protection_share" || name == "solved_budget") continue;
    const double value = found.*figure.value;
    const bool flat = !(found.worst_step < 0.999);  // every step is a worst step
    if (name == "retained_mass_worst_step_at" && (flat || !expected.contains(name))) continue;
    const double want = expected.contains(name) ? expected.at(name) : std::numeric_limits<double>::quiet_NaN();
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(value)) << where << name << " is " << value;
    } else {
      EXPECT_NEAR(value, want, tolerance(name, want)) << where << name;
    }
  }
}

void compare_all(const SyntheticTrace& trace, const Replayed& run) {
  const std::vector<ConfigurationSummary> summaries = summarise(*run.sums, run.sweep, kValueBytes);
  const BruteForce rows(trace);
  for (std::uint32_t c = 0; c < summaries.size(); ++c) {
    const std::vector<std::uint32_t> columns = columns_of(run.sweep, c);
    if (columns.size() > 1) continue;  // means over seeds of figures that are checked one by one
    const Configuration& configuration = run.sweep.configurations[c];
    SCOPED_TRACE(configuration.strategy + " at " + std::to_string(configuration.budget));
    const BruteSummary expected = rows.summary(column_of(run, trace, columns.front()));
    expect_equal(summaries[c].total, expected.total, "");
    for (std::size_t l = 0; l < summaries[c].layers.size(); ++l) {
      expect_equal(summaries[c].layers[l], expected.layers[l], "layer " + std::to_string(l) + " ");
    }
    for (std::size_t h = 0; h < summaries[c].kv_heads.size(); ++h) {
      expect_equal(summaries[c].kv_heads[h], expected.kv_heads[h], "KV head " + std::to_string(h) + " ");
    }
    const double rows_per_step = double{1} * run.sequence.n_layers * run.sequence.n_q_heads;
    for (std::uint32_t s = 0; s < run.sequence.n_steps(); ++s) {
      const std::size_t at = std::size_t{s} * run.sums->n_columns + columns.front();
      EXPECT_NEAR(run.sums->step_mass[at] / rows_per_step, expected.per_step_mass[s], 1e-5);
      EXPECT_NEAR(std::sqrt(run.sums->step_error[at] / run.sums->step_output[s]), expected.per_step_error[s],
                  2e-4 * expected.per_step_error[s] + 1e-5);
      EXPECT_NEAR(run.sums->step_recall[at] / rows_per_step, expected.per_step_recall[s], 1e-5);
    }
  }
}

const std::vector<std::string> kStrategies = {"uniform/rkv:window=4,buffer=8", "reasonalloc/rkv:window=4,buffer=8",
                                              "pyramid/snapkv:window=4,buffer=8,prompt=keep",
                                              "uniform/streaming:window=1,buffer=1"};

TEST(Metrics, agree_with_brute_force_on_random_traces) {
  for (const TraceCase& c : {TraceCase{201, 2, 2, 16, 20, 61, traces::FloatType::f32},
                             TraceCase{202, 3, 1, 5, 14, 60, traces::FloatType::f16},
                             TraceCase{203, 1, 3, 8, 9, 45, traces::FloatType::f32}}) {
    SCOPED_TRACE("seed " + std::to_string(c.seed));
    const SyntheticTrace trace = trace_of(c);
    const auto run = run_replay(trace, kStrategies, 2, true, {12, 20, 400}, {.page = kPage});
    compare_all(trace, *run);
  }
}

// Two layers of a trace, as if they were all.
SyntheticTrace two_layers(const traces::TraceReader& reader) {
  SyntheticTrace trace;
  trace.info = reader.info();
  trace.n_positions = reader.n_positions();
  const traces::ModelShape shape = reader.shape();
  trace.info.shape.n_layers = 2;
  const std::size_t n = trace.n_positions, q_row = std::size_t{shape.n_q_heads} * shape.head_dim,
                    kv_row = std::size_t{shape.n_kv_heads} * shape.head_dim;
  trace.q.resize(2 * n * q_row);
  trace.k.resize(2 * n * kv_row);
  trace.v.resize(2 * n * kv_row);
  for (std::size_t l = 0; l < 2; ++l) {
    const std::uint32_t layer = l == 0 ? 1 : shape.n_layers / 2;
    std::vector<float> q(n * q_row), k(n * kv_row), v(n * kv_row);
    reader.q(layer, 0, trace.n_positions, q);
    reader.k(layer, 0, trace.n_positions, k);
    reader.v(layer, 0, trace.n_positions, v);
    const auto spread = [&](const std::vector<float>& from, std::size_t row, std::vector<float>& to) {
      for (std::size_t p = 0; p < n; ++p) {
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(p * row), row,
                    to.begin() + static_cast<std::ptrdiff_t>((p * 2 + l) * row));
      }
    };
    spread(q, q_row, trace.q);
    spread(k, kv_row, trace.k);
    spread(v, kv_row, trace.v);
  }
  return trace;
}

TEST(Metrics, agree_with_brute_force_on_a_recorded_trace) {
  const char* const model = std::getenv("KVWAVE_MODEL");
  if (model == nullptr) GTEST_SKIP() << "KVWAVE_MODEL names no SmolLM2-135M-Instruct.Q4_1.gguf";
  const TemporaryFolder folder;
  const std::string path = (folder / "recorded.h5").string();
  ASSERT_EQ(capture::capture_command(std::vector<std::string>{"-m", model, "-p", "Count: one, two,", "--raw", "-n",
                                                              "64", "--ignore-eos", "--quiet", "-o", path}),
            0);
  const SyntheticTrace trace = two_layers(traces::TraceReader(path));
  const auto run = run_replay(trace, kStrategies, 2, true, {16, 32}, {.page = kPage});
  compare_all(trace, *run);
}

TEST(Metrics, places_are_linear_between_the_controls) {
  const SyntheticTrace trace = trace_of({204, 2, 2, 8, 10, 60, traces::FloatType::f32});
  const auto run = run_replay(trace, {"uniform/rkv:window=4,buffer=8", "uniform/snapkv:window=4,buffer=8"}, 1);
  const std::vector<ConfigurationSummary> all = summarise(*run->sums, run->sweep, kValueBytes);
  for (std::size_t c = 0; c < all.size(); ++c) {
    const Configuration& configuration = run->sweep.configurations[c];
    const auto control = [&](const char* name) {
      for (std::size_t i = 0; i < all.size(); ++i) {
        const Configuration& other = run->sweep.configurations[i];
        if (other.control && other.budget == configuration.budget && other.strategy.starts_with(name)) return &all[i];
      }
      return static_cast<const ConfigurationSummary*>(nullptr);
    };
    const double mass = all[c].total.retained_mass, random = control("uniform/random")->total.retained_mass;
    const double oracle = control("uniform/oracle")->total.retained_mass;
    const double ceiling = control("ceiling")->total.retained_mass;
    EXPECT_NEAR(all[c].total.place_oracle, (mass - random) / (oracle - random), 1e-9) << configuration.strategy;
    EXPECT_NEAR(all[c].total.place_ceiling, (mass - random) / (ceiling - random), 1e-9);
    for (std::size_t h = 0; h < all[c].kv_heads.size(); ++h) {
      const double low = control("uniform/random")->kv_heads[h].retained_mass;
      const double high = control("uniform/oracle")->kv_heads[h].retained_mass;
      EXPECT_NEAR(all[c].kv_heads[h].place_oracle, (all[c].kv_heads[h].retained_mass - low) / (high - low), 1e-9);
    }
  }
}

TEST(Metrics, places_do_not_exist_without_their_controls) {
  EXPECT_TRUE(std::isnan(place_between(0.5, 0.7, 0.7)));
  EXPECT_TRUE(std::isnan(place_between(0.5, std::numeric_limits<double>::quiet_NaN(), 0.7)));
  EXPECT_NEAR(place_between(0.4, 0.5, 0.7), -0.5, 1e-12) << "worse than chance";
  const SyntheticTrace trace = trace_of({205, 2, 1, 8, 10, 40, traces::FloatType::f32});
  const auto run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 1, false);
  EXPECT_TRUE(std::isnan(summarise(*run->sums, run->sweep, kValueBytes)[0].total.place_oracle));
}

TEST(StepFigures, the_worst_tenth_is_that_of_a_sorted_list) {
  const unsigned seed = 71;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const std::size_t n : {1U, 9U, 10U, 11U, 700U, 2001U}) {
    for (const std::uint32_t distinct : {1U, 3U, 1000000U}) {
      std::vector<float> values;
      for (std::size_t i = 0; i < n; ++i) {
        values.push_back(static_cast<float>(random() % distinct) / static_cast<float>(distinct));
      }
      if (n > 20) values[n / 2] = std::numeric_limits<float>::quiet_NaN();
      std::vector<float> sorted;
      std::copy_if(values.begin(), values.end(), std::back_inserter(sorted), [](float x) { return !std::isnan(x); });
      std::sort(sorted.begin(), sorted.end());
      const std::size_t tenth = (sorted.size() + 9) / 10;
      const double low = std::accumulate(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(tenth), 0.0);
      const double high = std::accumulate(sorted.rbegin(), sorted.rbegin() + static_cast<std::ptrdiff_t>(tenth), 0.0);
      EXPECT_NEAR(worst_steps(values, 0, Worst::lowest).decile, low / static_cast<double>(tenth), 1e-12) << n;
      EXPECT_NEAR(worst_steps(values, 0, Worst::highest).decile, high / static_cast<double>(tenth), 1e-12) << n;
    }
  }
}

TEST(StepFigures, drops_are_counted_from_the_level_down_and_back) {
  EXPECT_EQ(count_drops(std::vector<float>{1, 0.95F, 0.9F}).n_drops, 0U);
  const Drops drops = count_drops(std::vector<float>{0.5F, 0.95F, 0.8F, 0.7F, 0.9F, 0.1F});
  EXPECT_EQ(drops.n_drops, 3U);
  EXPECT_EQ(drops.n_steps_below, 4U);
}

TEST(StepFigures, gini_of_equals_is_zero_and_of_one_owner_is_one_minus_one_over_n) {
  EXPECT_NEAR(gini(std::vector<double>{7, 7, 7}), 0, 1e-12);
  EXPECT_NEAR(gini(std::vector<double>{0, 0, 0, 8}), 0.75, 1e-12);
  EXPECT_TRUE(std::isnan(gini({})));
}

}  // namespace
}  // namespace kvwave::replay
