// A and B against each other: by layer and query head, and over time.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "viewer/model/figures.h"
#include "viewer/model/value_range.h"

namespace kvwave::viewer {
namespace {

/// A metric of every configuration and q_head, over the run or over the steps around the cursor.
struct HeadValues {
  ResultsCache::Floats values;        // [C, L, Hq], or [C, bins, L, Hq]
  std::size_t stride = 0, first = 0;  // of a configuration, and of its cells within
  std::string when;

  double at(std::size_t c, std::size_t cell) const { return (*values)[c * stride + first + cell]; }
};

HeadValues head_values(const FigureInputs& in) {
  const OpenedResults& results = *in.results;
  const replay::ResultsReader& reader = results.cache->reader();
  const std::size_t cells = std::size_t{reader.info().n_layers} * reader.info().n_q_heads;
  if (!in.view.at_cursor) return {results.cache->per_head(results.trace, in.view.metric), cells, 0, "over the run"};
  if (!results.cache->has_binned(in.view.metric)) {
    throw NotThere("these results hold " + metric_label(in.view.metric) + " by head over the run only, not at a step");
  }
  const replay::ResultsTrace& trace = reader.traces()[results.trace];
  if (trace.n_bins == 0) throw NotThere("these results hold no decode step");
  const std::uint32_t bin = std::min(in.view.step / trace.bin_steps, trace.n_bins - 1), from = bin * trace.bin_steps;
  const std::uint32_t to = std::min(from + trace.bin_steps, trace.n_steps) - 1;
  return {results.cache->binned(results.trace, in.view.metric), cells * trace.n_bins, bin * cells,
          from == to ? fmt::format("at decode step {}", from) : fmt::format("at decode steps {} to {}", from, to)};
}

}  // namespace

Figure compare_layers_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const replay::ResultsInfo& info = results.cache->reader().info();
  const HeadValues heads = head_values(in);
  Figure figure;
  figure.name = "compare-layers";
  figure.title = "Where A and B differ: " + metric_label(in.view.metric);
  figure.subtitle = heads.when + "; lines: mean of a layer; points: its q_heads";
  figure.x = {.name = "layer", .label = "layer", .low = -0.5, .high = info.n_layers - 0.5};
  set_whole_ticks(figure.x, info.n_layers);
  figure.y = {.name = in.view.metric, .label = metric_label(in.view.metric)};
  ValueRange range;
  for (const Role role : {Role::b, Role::a}) {
    const std::uint32_t c = role == Role::a ? in.view.selection.a : in.view.selection.b;
    if (role == Role::b && c == in.view.selection.a) continue;
    const std::string name =
        fmt::format("{}: {}", role == Role::a ? "A" : "B", configuration_name(results.configuration(c)));
    Series line{.name = name, .mark = Mark::line, .role = role},
        points{.name = name + ", q_heads", .mark = Mark::points, .role = role};
    for (std::uint32_t l = 0; l < info.n_layers; ++l) {
      double sum = 0;
      for (std::uint32_t h = 0; h < info.n_q_heads; ++h) {
        const double value = heads.at(c, std::size_t{l} * info.n_q_heads + h);
        sum += value;
        if (!std::isfinite(value)) continue;
        // A and B side by side, so that equal values stay two points.
        points.x.push_back(l + (role == Role::a ? -0.12 : 0.12));
        points.y.push_back(value);
        range.include(value);
      }
      line.x.push_back(l);
      line.y.push_back(sum / info.n_q_heads);
    }
    figure.series.push_back(std::move(points));
    figure.series.push_back(std::move(line));
  }
  if (range.empty()) throw NotThere("A and B have no counted step: their budget was never outgrown");
  range.give(figure.y);
  return figure;
}

Figure compare_steps_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const auto& configurations = results.cache->reader().configurations();
  const std::uint32_t steps = results.cache->reader().traces()[results.trace].n_steps;
  const auto values = results.cache->per_step(results.trace, in.view.metric);
  Figure figure;
  figure.name = "compare-steps";
  figure.title = "A and B over time: " + metric_label(in.view.metric);
  figure.subtitle = results.cache->reader().traces()[results.trace].name + ", mean over layers and q_heads";
  figure.x = {.name = "step", .label = "decode step", .low = -0.5, .high = steps - 0.5};
  figure.y = {.name = in.view.metric, .label = metric_label(in.view.metric)};
  ValueRange range;
  const auto add = [&](std::uint32_t c, Role role, std::size_t colour, const std::string& name) {
    Series series{.name = name, .mark = Mark::line, .role = role, .colour = colour};
    for (std::uint32_t s = 0; s < steps; ++s) {
      const double value = (*values)[std::size_t{c} * steps + s];
      series.x.push_back(s);
      series.y.push_back(value);
      range.include(value);
    }
    figure.series.push_back(std::move(series));
  };
  const std::uint32_t a = in.view.selection.a, b = in.view.selection.b;
  std::size_t controls = 0;
  for (std::uint32_t c = 0; c < configurations.size(); ++c) {
    const auto& one = configurations[c];
    if (!one.control || one.budget != configurations[a].budget || c == a || c == b || one.strategy == "full") continue;
    if (one.strategy == "ceiling" || one.strategy.find("/random") != std::string::npos) {
      add(c, Role::control, controls++, line_name(one));
      figure.series.back().end_label = one.strategy == "ceiling" ? "ceiling" : "random";
    }
  }
  if (b != a) add(b, Role::b, 0, "B: " + configuration_name(configurations[b]));
  add(a, Role::a, 0, "A: " + configuration_name(configurations[a]));
  if (range.empty()) throw NotThere("no step has this metric");
  range.give(figure.y);
  return figure;
}

}  // namespace kvwave::viewer
