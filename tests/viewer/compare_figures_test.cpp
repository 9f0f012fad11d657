// The comparison of strategies against what the results hold, computed here a second time in the plainest way.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tests/viewer/figures_fixture.h"

namespace kvwave::viewer {
namespace {

class CompareFigures : public Figures {};

TEST_F(CompareFigures, comparison_shows_the_headline_figures) {
  view([](ViewState& v) { v.all_controls = true; });
  const Figure figure = make("compare");
  const replay::ResultsReader reader(small_results().results);
  const std::vector<double> expected = reader.figure(0, "retained_mass");
  ASSERT_FALSE(expected.empty());
  std::size_t points = 0;
  for (std::size_t c = 0; c < expected.size(); ++c) {
    const auto& configuration = reader.configurations()[c];
    if (configuration.strategy == "full") continue;
    const std::string name = configuration.strategy + (configuration.control ? " (control)" : "");
    const auto series =
        std::find_if(figure.series.begin(), figure.series.end(), [&](const Series& s) { return s.name == name; });
    ASSERT_NE(series, figure.series.end()) << name;
    const auto at = std::find(series->x.begin(), series->x.end(), configuration.budget);
    ASSERT_NE(at, series->x.end()) << name;
    EXPECT_EQ(series->y[static_cast<std::size_t>(at - series->x.begin())], expected[c]);
    ++points;
  }
  EXPECT_GE(points, 4U);
}

TEST_F(CompareFigures, controls_that_would_press_the_strategies_together_are_named_instead_of_drawn) {
  const auto spans = [](const Figure& figure, bool controls) {
    double low = INFINITY, high = -INFINITY;
    for (const Series& series : figure.series) {
      if (controls != (series.role == Role::control)) continue;
      low = std::min(low, *std::min_element(series.y.begin(), series.y.end()));
      high = std::max(high, *std::max_element(series.y.begin(), series.y.end()));
    }
    return std::pair(low, high);
  };
  const Figure near = make("compare");
  view([](ViewState& v) { v.all_controls = true; });
  const Figure all = make("compare");
  ASSERT_LT(near.series.size(), all.series.size()) << "random and streaming are far off in the small results";
  const auto [low, high] = spans(near, false);
  EXPECT_GE(high - low, (near.y.high - near.y.low) * 0.58) << "two thirds, less the margins";
  EXPECT_LE(all.y.low, spans(all, true).first);
  EXPECT_GE(all.y.high, spans(all, true).second);
  for (const Series& series : all.series) {
    const bool drawn =
        std::any_of(near.series.begin(), near.series.end(), [&](const Series& one) { return one.name == series.name; });
    EXPECT_TRUE(drawn || near.notes.front().find(series.end_label) != std::string::npos) << series.name;
    EXPECT_TRUE(drawn || series.role == Role::control) << series.name;
  }
}

TEST_F(CompareFigures, differences_to_b_are_those_of_the_headline_figures) {
  view([](ViewState& v) { v.minus_b = true; });
  const Figure figure = make("compare");
  const replay::ResultsReader reader(small_results().results);
  const auto& all = reader.configurations();
  const std::vector<double> mass = reader.figure(0, "retained_mass");
  const std::string& b = all[session.view().selection.b].strategy;
  std::size_t points = 0;
  for (const Series& series : figure.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i, ++points) {
      double own = 0, of_b = 0;
      for (std::size_t c = 0; c < all.size(); ++c) {
        if (all[c].budget != series.x[i]) continue;
        if (all[c].strategy + (all[c].control ? " (control)" : "") == series.name) own = mass[c];
        if (all[c].strategy == b && !all[c].control) of_b = mass[c];
      }
      EXPECT_NEAR(series.y[i], own - of_b, 1e-12) << series.name << " at " << series.x[i];
    }
  }
  EXPECT_GE(points, 4U);
}

TEST_F(CompareFigures, layers_at_the_cursor_are_the_steps_around_it) {
  view([](ViewState& v) { v.at_cursor = true, v.step = 77; });
  const Figure figure = make("compare-layers");
  const replay::ResultsReader reader(small_results().results);
  const replay::ResultsTrace& trace = reader.traces()[0];
  const std::vector<float> binned = reader.binned(0, "retained_mass");
  const std::size_t cells = std::size_t{shape().n_layers} * shape().n_q_heads, bin = 77 / trace.bin_steps;
  const Series& a = figure.series.back();
  ASSERT_EQ(a.role, Role::a);
  for (std::size_t l = 0; l < shape().n_layers; ++l) {
    double sum = 0;
    for (std::size_t h = 0; h < shape().n_q_heads; ++h)
      sum += binned[(session.view().selection.a * trace.n_bins + bin) * cells + l * shape().n_q_heads + h];
    EXPECT_NEAR(a.y[l], sum / shape().n_q_heads, 1e-6) << "layer " << l;
  }
}

TEST_F(CompareFigures, over_time_a_and_b_run_between_the_random_control_and_the_ceiling) {
  const Figure figure = make("compare-steps");
  ASSERT_EQ(figure.series.size(), 4U) << "small results: random has parameters in its name";
  EXPECT_EQ(figure.series[2].role, Role::b);
  EXPECT_EQ(figure.series[3].role, Role::a);
  std::vector<std::string> ends = {figure.series[0].end_label, figure.series[1].end_label};
  std::sort(ends.begin(), ends.end());
  EXPECT_EQ(ends, (std::vector<std::string>{"ceiling", "random"}));
}

}  // namespace
}  // namespace kvwave::viewer
