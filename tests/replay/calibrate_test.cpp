#include "replay/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "replay/error.h"
#include "replay/wave_plot.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

class CalibrateTraces : public testing::Test {
 protected:
  traces::TraceReader trace(const std::string& name, const SyntheticOptions& options) {
    write_synthetic(folder_ / name, options);
    return traces::TraceReader(folder_ / name);
  }

  TemporaryFolder folder_;
};

// N(rho) by its definition, from the exact row.
double demand_of(std::vector<float> row, double rho) {
  std::sort(row.rbegin(), row.rend());
  double sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    sum += double{row[i]};
    if (sum >= rho) return static_cast<double>(i + 1);
  }
  return static_cast<double>(row.size());
}

TEST_F(CalibrateTraces, average_heads_and_decode_steps) {
  const SyntheticOptions options;
  const traces::TraceReader reader = trace("t.h5", options);
  const SyntheticTrace exact = make_synthetic(options);
  for (const double rho : {0.5, 0.93, 0.99}) {
    const TraceWave wave = trace_wave(reader, rho);
    EXPECT_EQ(wave.n_rows, 60U);
    for (std::uint32_t layer = 0; layer < 3; ++layer) {
      double sum = 0;
      for (std::uint32_t position = 20; position < 80; ++position) {
        for (std::uint32_t q_head = 0; q_head < 4; ++q_head) sum += demand_of(exact.row(position, layer, q_head), rho);
      }
      EXPECT_NEAR(wave.demand[layer], sum / (60 * 4), 1e-4) << "prompt rows must not count";
    }
  }
}

TEST_F(CalibrateTraces, can_average_heads_in_other_ways) {
  const SyntheticOptions options;
  const traces::TraceReader reader = trace("t.h5", options);
  const SyntheticTrace exact = make_synthetic(options);
  double median = 0, largest = 0, group = 0;
  for (std::uint32_t position = 20; position < 80; ++position) {
    std::vector<double> heads;
    for (std::uint32_t q_head = 0; q_head < 4; ++q_head)
      heads.push_back(demand_of(exact.row(position, 1, q_head), 0.8));
    group += (std::max(heads[0], heads[1]) + std::max(heads[2], heads[3])) / 2 / 60;
    std::sort(heads.begin(), heads.end());
    median += (heads[1] + heads[2]) / 2 / 60;
    largest += heads[3] / 60;
  }
  EXPECT_NEAR(trace_wave(reader, 0.8, HeadAverage::median).demand[1], median, 1e-9);
  EXPECT_NEAR(trace_wave(reader, 0.8, HeadAverage::max).demand[1], largest, 1e-9);
  EXPECT_NEAR(trace_wave(reader, 0.8, HeadAverage::group_max).demand[1], group, 1e-9);

  const traces::TraceReader* one[] = {&reader};
  const Profile profile = calibrate(one, 0.8, HeadAverage::group_max);
  EXPECT_EQ(profile_from_json(to_json(profile), "p.json"), profile);
  EXPECT_EQ(to_json(calibrate(one, 0.8)).find("over_heads"), std::string::npos);
}

TEST_F(CalibrateTraces, can_average_steps_in_other_ways_and_count_generated_positions_alone) {
  const SyntheticOptions options;
  const traces::TraceReader reader = trace("t.h5", options);
  const SyntheticTrace exact = make_synthetic(options);
  std::vector<double> of_step, generated;
  for (std::uint32_t position = 20; position < 80; ++position) {
    double mean = 0, mean_generated = 0;
    for (std::uint32_t q_head = 0; q_head < 4; ++q_head) {
      const std::vector<float> row = exact.row(position, 1, q_head);
      mean += demand_of(row, 0.8) / 4.0;
      std::vector<float> part(row.begin() + 20, row.end());
      const double mass = std::accumulate(part.begin(), part.end(), 0.0);
      for (float& p : part) p = static_cast<float>(static_cast<double>(p) / mass);
      mean_generated += demand_of(part, 0.8) / 4.0;
    }
    of_step.push_back(mean);
    generated.push_back(mean_generated);
  }
  const auto wave = [&](StepAverage steps, RowPositions positions) {
    return trace_wave(reader, 0.8, {HeadAverage::mean, steps, positions}).demand[1];
  };
  EXPECT_NEAR(wave(StepAverage::mean, RowPositions::generated),
              std::accumulate(generated.begin(), generated.end(), 0.0) / 60, 0.05)
      << "rounding moves a demand by one at most";
  std::sort(of_step.begin(), of_step.end());
  EXPECT_NEAR(wave(StepAverage::median, RowPositions::all), (of_step[29] + of_step[30]) / 2, 1e-9);
  EXPECT_NEAR(wave(StepAverage::max, RowPositions::all), of_step.back(), 1e-9);

  const traces::TraceReader* one[] = {&reader};
  const Profile profile = calibrate(one, 0.85, {HeadAverage::max, StepAverage::median, RowPositions::generated});
  EXPECT_EQ(profile_from_json(to_json(profile), "p.json"), profile);
  EXPECT_THROW(calibrate(one, 0.85, {HeadAverage::max, StepAverage::median, RowPositions::all}), NothingToCompute);
}

TEST_F(CalibrateTraces, weigh_traces_equally_whatever_their_length) {
  SyntheticOptions small, large;
  large.seed = 2;
  large.n_positions = 160;
  const traces::TraceReader a = trace("a.h5", small), b = trace("b.h5", large);
  const traces::TraceReader* both[] = {&a, &b};
  const Profile profile = calibrate(both, 0.93);
  const TraceWave wave_a = trace_wave(a, 0.93), wave_b = trace_wave(b, 0.93);
  for (std::size_t l = 0; l < 3; ++l) {
    EXPECT_DOUBLE_EQ(profile.demand[l], (wave_a.demand[l] + wave_b.demand[l]) / 2);
    EXPECT_NEAR(profile.demand_spread[l], std::abs(wave_a.demand[l] - wave_b.demand[l]) / std::sqrt(2.0), 1e-9);
  }
  EXPECT_EQ(profile.n_rows, 60U + 140U);
  EXPECT_EQ(profile.traces, (std::vector<std::string>{a.content_sha256(), b.content_sha256()}));
  EXPECT_EQ(profile.model_name, "synthetic");

  const traces::TraceReader* one[] = {&a};
  EXPECT_EQ(calibrate(one, 0.93).demand_spread, (std::vector<double>{0, 0, 0}));
}

TEST_F(CalibrateTraces, refuse_a_rho_outside_the_grid_and_name_it) {
  const traces::TraceReader reader = trace("t.h5", {});
  try {
    trace_wave(reader, 0.92);
    ADD_FAILURE();
  } catch (const NothingToCompute& error) {
    EXPECT_EQ(error.what(),
              (folder_ / "t.h5").string() + ": rho 0.92 is not in the recorded grid (0.5, 0.8, 0.9, 0.93, 0.95, 0.99)");
  }
}

TEST_F(CalibrateTraces, refuse_two_models) {
  SyntheticOptions other;
  other.model_sha256 = std::string(64, 'd');
  const traces::TraceReader a = trace("a.h5", {}), b = trace("b.h5", other);
  const traces::TraceReader* both[] = {&a, &b};
  EXPECT_THROW(calibrate(both, 0.93), UnequalTraces);
}

TEST_F(CalibrateTraces, refuse_a_trace_without_stats_or_without_decode_steps) {
  SyntheticOptions options;
  options.levels = {.tokens = true, .stats = false, .attention = false, .qkv = true};
  EXPECT_THROW(trace_wave(trace("t.h5", options), 0.93), traces::MissingLevel);
  options = {};
  options.n_positions = options.n_prompt;
  EXPECT_THROW(trace_wave(trace("p.h5", options), 0.93), NothingToCompute);
}

TEST(WaveDistance, is_the_mass_moved_times_the_depth_it_moves) {
  const std::vector<double> first = {1, 0, 0}, last = {0, 0, 5}, middle = {0, 2, 0}, both = {3, 0, 3};
  EXPECT_DOUBLE_EQ(wave_distance(first, last), 1.0);
  EXPECT_DOUBLE_EQ(wave_distance(first, middle), 0.5);
  EXPECT_DOUBLE_EQ(wave_distance(both, middle), 0.5);
  EXPECT_DOUBLE_EQ(wave_distance(both, first), 0.5);
}

TEST(WaveDistance, is_a_metric_on_shapes) {
  const std::vector<double> a = {4, 1, 2, 9}, b = {1, 1, 1, 1}, c = {7, 3, 3, 2};
  std::vector<double> scaled = a;
  for (double& x : scaled) x *= 10;
  EXPECT_NEAR(wave_distance(a, scaled), 0, 1e-12) << "only the shape counts";
  EXPECT_DOUBLE_EQ(wave_distance(a, b), wave_distance(b, a));
  EXPECT_LE(wave_distance(a, c), wave_distance(a, b) + wave_distance(b, c) + 1e-12);
}

TEST(WaveDistance, compares_models_with_different_numbers_of_layers) {
  EXPECT_DOUBLE_EQ(wave_distance(std::vector<double>{1, 0}, std::vector<double>{0, 0, 0, 0, 1}), 1.0);
  // Equal shapes at both ends and the middle: half of 1/3 moves from 1/2 to 0 and half to 1 -> 1/3 * 1/2.
  EXPECT_NEAR(wave_distance(std::vector<double>{1, 1}, std::vector<double>{1, 1, 1}), 1.0 / 6, 1e-12);
  EXPECT_DOUBLE_EQ(wave_distance(std::vector<double>{3}, std::vector<double>{1, 0, 0}), 0.0);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> list;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find('\n', from)) != std::string::npos; from = at + 1) {
    list.push_back(text.substr(from, at - from));
  }
  return list;
}

std::size_t columns(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

TEST(WavePlot, draws_bars_against_labelled_axes) {
  const std::vector<double> wave = {100, 50, 25};
  EXPECT_EQ(draw_wave(wave, {}, {.columns = 40, .rows = 4}),
            "    100 ┤███\n"
            "        │███\n"
            "     50 ┤███ ███\n"
            "        │███ ███ ███\n"
            "      0 └────────────\n"
            "         0       2\n");
}

TEST(WavePlot, marks_the_spread_above_the_bar) {
  const std::vector<double> wave = {40, 80}, spread = {30, 0};
  EXPECT_EQ(lines(draw_wave(wave, spread, {.columns = 40, .rows = 8}))[1], "        │··· ███");
}

TEST(WavePlot, fits_its_columns_for_any_number_of_layers) {
  for (const std::size_t n : {1U, 2U, 24U, 30U, 71U, 72U, 126U, 500U}) {
    std::vector<double> wave(n);
    for (std::size_t l = 0; l < n; ++l) wave[l] = 100 + 90 * std::cos(static_cast<double>(l) / 9);
    const std::vector<std::string> drawn = lines(draw_wave(wave, wave));
    EXPECT_EQ(drawn.size(), 12U);
    for (const std::string& line : drawn) EXPECT_LE(columns(line), 82U) << n << " layers: " << line;
    EXPECT_NE(drawn.back().find(" 0"), std::string::npos);
  }
}

TEST(WavePlot, draws_a_wave_of_zeros) {
  EXPECT_EQ(lines(draw_wave(std::vector<double>(4, 0.0), {})).size(), 12U);
}

TEST(Bar, is_as_long_as_its_share) {
  EXPECT_EQ(draw_bar(1, 2, 4), "██  ");
  EXPECT_EQ(draw_bar(5, 2, 2), "██");
  EXPECT_EQ(draw_bar(1, 0, 2), "  ");
  EXPECT_EQ(draw_bar(3, 16, 2), "▍ ");
}

}  // namespace
}  // namespace kvwave::replay
