// Every figure against what trace and results hold, computed here a second time in the plainest way.
#include <algorithm>
#include <cmath>
#include <sstream>

#include <gtest/gtest.h>

#include "replay/calibrate.h"
#include "tests/temporary_folder.h"
#include "tests/viewer/figures_fixture.h"
#include "viewer/model/figure_text.h"

namespace kvwave::viewer {
namespace {

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_F(Figures, each_can_be_made_and_written_for_every_value_and_scope) {
  for (const HeadValue value : {HeadValue::demand, HeadValue::budget, HeadValue::resident, HeadValue::retained_mass}) {
    for (const Compared compared : {Compared::a, Compared::b, Compared::difference}) {
      for (const TokenScope scope : {TokenScope::all_heads, TokenScope::layer, TokenScope::kv_head}) {
        view([&](ViewState& v) { v.value = value, v.compared = compared, v.scope = scope; });
        for (const FigureEntry& entry : figure_list()) {
          const Figure figure = make(std::string(entry.name).c_str());
          EXPECT_EQ(figure.name, entry.name);
          EXPECT_FALSE(figure.empty()) << entry.name;
          EXPECT_FALSE(figure.title.empty()) << entry.name;
          EXPECT_GE(lines_of(to_csv(figure)), 2U) << entry.name;
        }
      }
    }
  }
}

TEST_F(Figures, the_wave_is_what_calibrate_measures) {
  const Figure figure = make("wave");
  const auto mean = std::find_if(figure.series.begin(), figure.series.end(),
                                 [](const Series& s) { return s.name.starts_with("mean over"); });
  ASSERT_NE(mean, figure.series.end());
  const traces::TraceReader reader(small_results().trace);
  const replay::TraceWave wave = replay::trace_wave(reader, 0.93);
  ASSERT_EQ(mean->y.size(), wave.demand.size());
  for (std::size_t l = 0; l < wave.demand.size(); ++l)
    EXPECT_NEAR(mean->y[l], wave.demand[l], 1e-4 * wave.demand[l]) << "layer " << l;
}

TEST_F(Figures, a_window_ends_at_the_cursor) {
  view([](ViewState& v) { v.window_only = true, v.window = 1, v.step = 17; });
  const Figure figure = make("wave");
  const auto mean = std::find_if(figure.series.begin(), figure.series.end(),
                                 [](const Series& s) { return s.name.starts_with("mean over"); });
  ASSERT_NE(mean, figure.series.end());
  for (std::uint32_t l = 0; l < shape().n_layers; ++l)
    EXPECT_EQ(mean->y[l], session.trace().demand(17, l, session.view().rho));
}

TEST_F(Figures, a_row_recomputed_from_q_and_k_is_the_row_of_the_run) {
  const replay::SyntheticTrace truth = replay::make_synthetic(small_results().options);
  for (const std::uint32_t step : {0U, 60U, 139U}) {
    view([&](ViewState& v) { v.step = step, v.selection.layer = 1, v.selection.q_head = 3; });
    const Figure figure = make("attention-row");
    const std::vector<float> expected = truth.row(small_results().options.n_prompt + step, 1, 3);
    std::size_t points = 0;
    for (const Series& series : figure.series) {
      for (std::size_t i = 0; i < series.x.size(); ++i, ++points) {
        EXPECT_NEAR(series.y[i], expected[static_cast<std::size_t>(series.x[i])], 1e-6)
            << "step " << step << ", position " << series.x[i];
      }
    }
    EXPECT_EQ(points, expected.size());
  }
}

TEST_F(Figures, dropped_positions_are_those_of_the_results) {
  view([](ViewState& v) { v.step = 100, v.selection.layer = 2, v.selection.q_head = 1; });
  const Figure figure = make("attention-row");
  const replay::ResultsReader reader(small_results().results);
  const auto evicted = reader.evicted_at(0, session.view().selection.a);
  const std::size_t n = small_results().options.n_positions, head = 2 * shape().n_kv_heads + 1 / shape().group();
  for (const Series& series : figure.series) {
    for (const double position : series.x) {
      const bool held = evicted[head * n + static_cast<std::size_t>(position)] > 100;
      EXPECT_EQ(held, series.name.starts_with("kept")) << "position " << position;
    }
  }
}

TEST_F(Figures, residency_counts_the_heads_that_hold_a_position) {
  view([](ViewState& v) { v.scope = TokenScope::all_heads, v.compared = Compared::a; });
  const Figure figure = make("residency");
  const replay::ResultsReader reader(small_results().results);
  const auto evicted = reader.evicted_at(0, session.view().selection.a);
  const std::uint32_t n = small_results().options.n_positions, prompt = small_results().options.n_prompt,
                      heads = shape().n_layers * shape().n_kv_heads;
  for (std::uint32_t p = 0; p < n; ++p) {
    for (std::uint32_t s = 0; s < n - prompt; ++s) {
      const float value = figure.heatmap->values->at(p, s);
      if (p > prompt + s) {
        EXPECT_TRUE(std::isnan(value));
        continue;
      }
      std::uint32_t holders = 0;
      for (std::uint32_t h = 0; h < heads; ++h)
        holders += evicted[std::size_t{h} * n + p] > static_cast<std::int32_t>(s) ? 1 : 0;
      ASSERT_EQ(value, static_cast<float>(holders)) << "position " << p << ", step " << s;
    }
  }
}

TEST_F(Figures, what_was_needed_later_equals_brute_force) {
  session.needs();
  session.wait();
  const auto needs = session.needs();
  const auto map = session.evictions(false);
  session.wait();
  ASSERT_TRUE(needs && session.evictions(false));
  const traces::TraceReader reader(small_results().trace);
  const std::uint32_t n = small_results().options.n_positions, prompt = small_results().options.n_prompt;
  std::vector<std::int32_t> first(std::size_t{shape().n_layers} * shape().n_kv_heads * n, -1);
  traces::AttentionRows rows;
  std::size_t needed = 0;
  for (std::uint32_t s = 0; s < n - prompt; ++s) {
    reader.attention(prompt + s, rows);
    for (std::uint32_t l = 0; l < shape().n_layers; ++l) {
      for (std::uint32_t h = 0; h < shape().n_q_heads; ++h) {
        const auto row = rows.row(l, h);
        for (std::size_t i = 0; i < row.position.size(); ++i) {
          const std::uint32_t head = l * shape().n_kv_heads + h / shape().group();
          if (row.prob[i] <= kNeededProb || session.evictions(false)->holds(head, row.position[i], s)) continue;
          std::int32_t& cell = first[std::size_t{head} * n + row.position[i]];
          if (cell < 0) cell = static_cast<std::int32_t>(s), ++needed;
        }
      }
    }
  }
  EXPECT_GT(needed, 0U) << "the small trace should lose something";
  EXPECT_EQ(needs->first_step, first);
}

TEST_F(Figures, all_heads_show_the_stats_of_the_trace) {
  view([](ViewState& v) { v.value = HeadValue::demand; });
  const Figure figure = make("heads-all");
  const traces::TraceReader reader(small_results().trace);
  const std::uint32_t prompt = small_results().options.n_prompt, end = small_results().options.n_positions;
  const std::size_t n_rho = reader.info().rho.size(), heads = std::size_t{shape().n_layers} * shape().n_q_heads;
  std::vector<std::uint32_t> demand((end - prompt) * heads * n_rho);
  reader.demand(prompt, end, demand);
  for (std::uint32_t s = 0; s < end - prompt; ++s) {
    for (std::uint32_t h = 0; h < heads; ++h) {
      ASSERT_EQ(figure.heatmap->values->at(h, s),
                static_cast<float>(demand[(s * heads + h) * n_rho + session.view().rho]));
    }
  }
}

TEST_F(Figures, another_shown_trace_forgets_the_figures_of_the_one_before) {
  const TemporaryFolder folder;
  replay::SyntheticOptions other = small_results().options;
  other.n_positions = 90;
  other.seed = 5;
  replay::write_synthetic(folder / "other.h5", other);
  const Figure before = make("attention-row");
  session.open(folder / "other.h5");
  session.wait();
  session.show_trace(1);
  session.wait();
  EXPECT_EQ(session.trace().name(), "other.h5");
  EXPECT_FALSE(session.has_results());
  EXPECT_EQ(session.figure("attention-row").figure, nullptr) << "not the one of the other trace, not even for a frame";
  EXPECT_EQ(make("attention-row").x.high, 89.5);
  session.show_trace(1);
  session.wait();
  EXPECT_TRUE(session.has_results()) << "they are of the trace that is shown again";
  EXPECT_TRUE(make("attention-row").title == before.title);
}

TEST_F(Figures, the_command_names_what_is_shown) {
  view([](ViewState& v) { v.step = 5, v.selection.layer = 1; });
  const std::string command = session.command();
  EXPECT_NE(command.find("--step 5 --layer 1"), std::string::npos) << command;
  EXPECT_NE(command.find("--a "), std::string::npos) << command;
}

TEST_F(Figures, the_view_stays_within_what_is_open) {
  view([](ViewState& v) {
    v.step = 1'000'000;
    v.selection = {.layer = 99, .q_head = 99, .position = 1'000'000, .a = 999, .b = 999};
    v.rho = 99;
  });
  EXPECT_EQ(session.view().step, session.trace().n_steps() - 1);
  EXPECT_EQ(session.view().selection.layer, shape().n_layers - 1);
  EXPECT_EQ(session.view().selection.q_head, shape().n_q_heads - 1);
  EXPECT_FALSE(session.view().selection.position);
  EXPECT_TRUE(session.undo());
  EXPECT_EQ(session.view().selection.layer, 0U);
}

}  // namespace
}  // namespace kvwave::viewer
