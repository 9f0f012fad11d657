// Strategies against each other: over budgets, over realised memory, by layer and head, and over time.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "viewer/model/figures.h"
#include "viewer/model/headline.h"

namespace kvwave::viewer {
namespace {

// The headline figure where the file has it; else the mean over heads and traces, which is the same for metrics that
// are means, and is refused for pooled ones.
Headline values_of(const FigureInputs& in, const std::string& metric) {
  const replay::ResultsReader& reader = in.results->cache->reader();
  Headline values = headline(reader, metric);
  if (!values.empty()) return values;
  if (metric.starts_with("output_error")) {
    throw NotThere("these results hold no pooled " + metric + "; replay again with this version");
  }
  const std::size_t n = reader.configurations().size(),
                    per = std::size_t{reader.info().n_layers} * reader.info().n_q_heads;
  values.mean.assign(n, 0.0);
  for (std::uint32_t t = 0; t < reader.traces().size(); ++t) {
    const auto heads = in.results->cache->per_head(t, metric);
    for (std::size_t c = 0; c < n; ++c) {
      double sum = 0;
      for (std::size_t i = 0; i < per; ++i) sum += (*heads)[c * per + i];
      values.mean[c] += sum / static_cast<double>(per) / static_cast<double>(reader.traces().size());
    }
  }
  return values;
}

// Realised entries per KV head: the counted mean where the file has it, else the mean over the run.
std::vector<double> realised(const FigureInputs& in) {
  const replay::ResultsReader& reader = in.results->cache->reader();
  std::vector<double> values = headline(reader, "realised_mean").mean;
  if (!values.empty()) return values;
  for (std::uint32_t c = 0; c < reader.configurations().size(); ++c) {
    const auto resident = in.results->cache->resident(in.results->trace, c);
    double sum = 0;
    for (const float entries : *resident) sum += entries;
    values.push_back(sum / static_cast<double>(std::max<std::size_t>(1, resident->size())));
  }
  return values;
}

/// Configurations of one strategy, in the order of their budgets.
struct Line {
  std::string strategy;
  bool control = false;
  std::vector<std::uint32_t> configurations;
};

std::vector<Line> lines_of(const replay::ResultsReader& reader) {
  std::vector<Line> lines;
  const auto& configurations = reader.configurations();
  for (std::uint32_t c = 0; c < configurations.size(); ++c) {
    auto line = std::find_if(lines.begin(), lines.end(), [&](const Line& l) {
      return l.strategy == configurations[c].strategy && l.control == configurations[c].control;
    });
    if (line == lines.end())
      line = lines.insert(lines.end(), Line{configurations[c].strategy, configurations[c].control, {}});
    line->configurations.push_back(c);
  }
  for (Line& line : lines) {
    std::stable_sort(line.configurations.begin(), line.configurations.end(), [&](std::uint32_t x, std::uint32_t y) {
      return configurations[x].budget < configurations[y].budget;
    });
  }
  return lines;
}

// A and B keep their colours; the others share what is left, controls are grey with a marker each.
void set_role(const FigureInputs& in, const Line& line, std::size_t& others, std::size_t& controls, Series& series) {
  const auto& a = in.results->configuration(in.view.selection.a);
  const auto& b = in.results->configuration(in.view.selection.b);
  if (line.strategy == a.strategy && line.control == a.control) {
    series.role = Role::a;
  } else if (line.strategy == b.strategy && line.control == b.control) {
    series.role = Role::b;
  } else if (line.control) {
    series.role = Role::control;
    series.colour = controls++;
  } else {
    series.role = Role::other;
    series.colour = 2 + others++;
  }
}

Figure metric_figure(const FigureInputs& in, const std::vector<double>& x_values, bool memory) {
  const OpenedResults& results = *in.results;
  const replay::ResultsReader& reader = results.cache->reader();
  const Headline values = values_of(in, in.view.metric);
  Figure figure;
  figure.subtitle = fmt::format("{} trace{}{}", reader.traces().size(), reader.traces().size() == 1 ? "" : "s",
                                reader.traces().size() > 1 ? ", bars: 95 % intervals over traces" : "");
  figure.y = {.name = in.view.metric, .label = metric_label(in.view.metric)};
  std::size_t others = 0, controls = 0;
  double low = INFINITY, high = -INFINITY, left = INFINITY, right = 0;
  for (const Line& line : lines_of(reader)) {
    if (line.strategy == "full") continue;  // keeps everything: a line along the edge says nothing
    Series series{.name = line.strategy + (line.control ? " (control)" : ""), .mark = Mark::line};
    set_role(in, line, others, controls, series);
    for (const std::uint32_t c : line.configurations) {
      const double y = values.mean[c];
      if (!std::isfinite(y)) continue;
      series.x.push_back(x_values[c]);
      series.y.push_back(y);
      const double half = c < values.half_width.size() ? values.half_width[c] : kNoValue;
      if (std::isfinite(half)) {
        series.low.push_back(y - half);
        series.high.push_back(y + half);
      }
      low = std::min({low, y, std::isfinite(half) ? y - half : y});
      high = std::max({high, y, std::isfinite(half) ? y + half : y});
      left = std::min(left, x_values[c]);
      right = std::max(right, x_values[c]);
    }
    if (series.low.size() != series.x.size()) series.low.clear(), series.high.clear();
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  if (figure.series.empty()) throw NotThere("no configuration has this metric: no budget was outgrown");
  // What the eye follows is drawn last.
  std::stable_sort(figure.series.begin(), figure.series.end(), [](const Series& x, const Series& y) {
    const auto rank = [](Role role) { return role == Role::a ? 3 : role == Role::b ? 2 : role == Role::other ? 1 : 0; };
    return rank(x.role) < rank(y.role);
  });
  const double margin = std::max(1e-9, high - low) * 0.06;
  figure.y.low = low - margin;
  figure.y.high = high + margin;
  figure.x.logarithmic = !memory && left > 0 && right / left >= 4;
  figure.x.low = figure.x.logarithmic ? left / 1.12 : left - (right - left) * 0.05 - 1;
  figure.x.high = figure.x.logarithmic ? right * 1.12 : right + (right - left) * 0.05 + 1;
  return figure;
}

}  // namespace

const OpenedResults& require_results(const FigureInputs& in) {
  if (!in.results) {
    throw NotThere("needs results: kvwave replay " + in.snapshot().name() + " -o results.h5, then open both");
  }
  return *in.results;
}

std::string configuration_name(const replay::ResultsConfiguration& configuration) {
  return fmt::format("{} at {}", configuration.strategy, configuration.budget);
}

std::string metric_label(std::string_view metric) {
  static const std::map<std::string_view, std::string_view> kLabels = {
      {"retained_mass", "retained mass"},
      {"retained_mass_worst_decile", "retained mass, worst tenth"},
      {"output_error", "output error, relative"},
      {"output_error_bound", "output error bound, relative"},
      {"recall_32", "recall of the 32 largest"},
      {"needed_after_eviction", "needed after eviction, positions"},
      {"churn", "churn per eviction"},
      {"jaccard", "Jaccard of successive sets"}};
  const auto label = kLabels.find(metric);
  return std::string(label == kLabels.end() ? metric : label->second);
}

bool lower_is_better(std::string_view metric) {
  return metric.starts_with("output_error") || metric == "needed_after_eviction" || metric == "churn";
}

Figure compare_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  std::vector<double> budgets;
  for (const auto& configuration : results.cache->reader().configurations()) budgets.push_back(configuration.budget);
  Figure figure = metric_figure(in, budgets, false);
  figure.name = "compare";
  figure.title = "What each strategy keeps at equal budget";
  if (lower_is_better(in.view.metric)) figure.title = "What each strategy loses at equal budget";
  figure.x.name = "budget";
  figure.x.label = "budget, entries per KV head";
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  for (const double budget : budgets) figure.x.ticks.emplace_back(budget, fmt::format("{:g}", budget));
  figure.notes.emplace_back("open-loop replay: the model never reacted to an eviction");
  return figure;
}

Figure frontier_figure(const FigureInputs& in) {
  require_results(in);
  Figure figure = metric_figure(in, realised(in), true);
  figure.name = "frontier";
  figure.title = "What each strategy keeps for the memory that attention read";
  if (lower_is_better(in.view.metric)) figure.title = "What each strategy loses for the memory that attention read";
  figure.x.name = "realised_mean";
  figure.x.label = "realised entries per KV head (mean)";
  figure.notes.emplace_back("open-loop replay: the model never reacted to an eviction");
  return figure;
}

Figure compare_layers_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const replay::ResultsInfo& info = results.cache->reader().info();
  const auto heads = results.cache->per_head(results.trace, in.view.metric);
  Figure figure;
  figure.name = "compare-layers";
  figure.title = "Where A and B differ: " + metric_label(in.view.metric);
  figure.subtitle = "lines: mean of a layer; points: its q_heads";
  figure.x = {.name = "layer", .label = "layer", .low = -0.5, .high = info.n_layers - 0.5};
  figure.y = {.name = in.view.metric, .label = metric_label(in.view.metric)};
  double low = INFINITY, high = -INFINITY;
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
        const double value = (*heads)[(std::size_t{c} * info.n_layers + l) * info.n_q_heads + h];
        sum += value;
        if (!std::isfinite(value)) continue;
        // A and B side by side, so that equal values stay two points.
        points.x.push_back(l + (role == Role::a ? -0.12 : 0.12));
        points.y.push_back(value);
        low = std::min(low, value);
        high = std::max(high, value);
      }
      line.x.push_back(l);
      line.y.push_back(sum / info.n_q_heads);
    }
    figure.series.push_back(std::move(points));
    figure.series.push_back(std::move(line));
  }
  if (low > high) throw NotThere("A and B have no counted step: their budget was never outgrown");
  const double margin = std::max(1e-9, high - low) * 0.05;
  figure.y.low = low - margin;
  figure.y.high = high + margin;
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
  double low = INFINITY, high = -INFINITY;
  const auto add = [&](std::uint32_t c, Role role, std::size_t colour, const std::string& name) {
    Series series{.name = name, .mark = Mark::line, .role = role, .colour = colour};
    for (std::uint32_t s = 0; s < steps; ++s) {
      const double value = (*values)[std::size_t{c} * steps + s];
      series.x.push_back(s);
      series.y.push_back(value);
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    figure.series.push_back(std::move(series));
  };
  const std::uint32_t a = in.view.selection.a, b = in.view.selection.b;
  std::size_t controls = 0;
  for (std::uint32_t c = 0; c < configurations.size(); ++c) {
    const auto& one = configurations[c];
    if (!one.control || one.budget != configurations[a].budget || c == a || c == b || one.strategy == "full") continue;
    if (one.strategy == "ceiling" || one.strategy.ends_with("/random")) {
      add(c, Role::control, controls++, one.strategy + " (control)");
    }
  }
  if (b != a) add(b, Role::b, 0, "B: " + configuration_name(configurations[b]));
  add(a, Role::a, 0, "A: " + configuration_name(configurations[a]));
  if (low > high) throw NotThere("no step has this metric");
  const double margin = std::max(1e-9, high - low) * 0.05;
  figure.y.low = low - margin;
  figure.y.high = high + margin;
  return figure;
}

}  // namespace kvwave::viewer
