// Strategies against each other: over budgets, over realised memory, by layer and head, and over time.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <span>

#include <fmt/format.h>

#include "viewer/model/figures.h"
#include "viewer/model/headline.h"
#include "viewer/model/value_range.h"

namespace kvwave::viewer {
namespace {

// Of each configuration, the one of B's strategy at its budget; itself where there is none, which no difference shows.
std::vector<std::uint32_t> counterparts(const FigureInputs& in) {
  const auto& all = in.results->cache->reader().configurations();
  const auto& b = in.results->configuration(in.view.selection.b);
  std::vector<std::uint32_t> found;
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    std::uint32_t other = c;
    for (std::uint32_t k = 0; k < all.size(); ++k) {
      if (all[k].strategy == b.strategy && all[k].control == b.control && all[k].budget == all[c].budget) other = k;
    }
    found.push_back(other);
  }
  return found;
}

// The headline figure where the file has it; else the mean over heads and traces, which is the same for metrics that
// are means, and is refused for pooled ones. `minus` as in headline().
Headline values_of(const FigureInputs& in, const std::string& metric, std::span<const std::uint32_t> minus) {
  const replay::ResultsReader& reader = in.results->cache->reader();
  Headline values = headline(*in.results->cache, metric, minus);
  if (!values.empty()) return values;
  if (metric.starts_with("output_error")) {
    throw NotThere("these results hold no pooled " + metric + "; replay again with this version");
  }
  const std::size_t n = reader.configurations().size(),
                    per = std::size_t{reader.info().n_layers} * reader.info().n_q_heads;
  std::vector<double> mean(n, 0.0);
  for (std::uint32_t t = 0; t < reader.traces().size(); ++t) {
    const auto heads = in.results->cache->per_head(t, metric);
    for (std::size_t c = 0; c < n; ++c) {
      double sum = 0;
      for (std::size_t i = 0; i < per; ++i) sum += (*heads)[c * per + i];
      mean[c] += sum / static_cast<double>(per) / static_cast<double>(reader.traces().size());
    }
  }
  values.mean = mean;
  for (std::size_t c = 0; c < minus.size(); ++c) values.mean[c] -= mean[minus[c]];
  return values;
}

// Realised entries per KV head: the counted mean where the file has it, else the mean over the run.
std::vector<double> realised(const FigureInputs& in) {
  const replay::ResultsReader& reader = in.results->cache->reader();
  std::vector<double> values = headline(*in.results->cache, "realised_mean").mean;
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

// A and B keep their colours; each of the others has one of its own, controls are grey with a marker each.
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
    series.colour = others++;
  }
}

// The axis is that of the strategies. Controls join them, nearest first, as long as the strategies keep two thirds of
// it: the far ones would press all others into one line. The rest is taken out and named.
void fit_axis(Figure& figure, bool all_controls) {
  ValueRange range;
  std::vector<ValueRange> controls;
  for (const Series& one : figure.series) {
    if (one.role == Role::control) {
      controls.emplace_back().include(one);
    } else {
      range.include(one);
    }
  }
  const double most = all_controls || range.size() <= 0 ? INFINITY : 1.5 * range.size();
  const auto with = [&](const ValueRange& one) {
    ValueRange both = range;
    both.include(one);
    return both;
  };
  while (!controls.empty()) {
    const auto nearest = std::min_element(controls.begin(), controls.end(), [&](const auto& x, const auto& y) {
      return with(x).size() < with(y).size();
    });
    if (with(*nearest).size() > most) break;
    range = with(*nearest);
    controls.erase(nearest);
  }
  std::string beyond;
  std::erase_if(figure.series, [&](const Series& one) {
    ValueRange own;
    own.include(one);
    if (range.holds(own)) return false;
    const auto [low, high] = std::minmax_element(one.y.begin(), one.y.end());
    beyond += fmt::format("{}{} {:.2g} to {:.2g}", beyond.empty() ? "" : ", ", one.end_label, *low, *high);
    return true;
  });
  if (!beyond.empty()) figure.notes.push_back("controls beyond the axis: " + beyond);
  range.give(figure.y, 0.06);
}

Figure metric_figure(const FigureInputs& in, const std::vector<double>& x_values, bool memory) {
  const OpenedResults& results = *in.results;
  const replay::ResultsReader& reader = results.cache->reader();
  const std::vector<std::uint32_t> minus = in.view.minus_b ? counterparts(in) : std::vector<std::uint32_t>();
  const Headline values = values_of(in, in.view.metric, minus);
  Figure figure;
  figure.subtitle = fmt::format("{} trace{}{}", reader.traces().size(), reader.traces().size() == 1 ? "" : "s",
                                reader.traces().size() > 1 ? ", bars: 95 % intervals over traces" : "");
  figure.y = {.name = in.view.metric, .label = metric_label(in.view.metric)};
  if (in.view.minus_b) {
    figure.y.name += "_minus_b";
    figure.y.label += " minus B's";
    figure.subtitle += "; differences to B: " + in.results->configuration(in.view.selection.b).strategy;
  }
  std::size_t others = 0, controls = 0;
  double left = INFINITY, right = 0;
  for (const Line& line : lines_of(reader)) {
    if (line.strategy == "full") continue;  // keeps everything: a line along the edge says nothing
    Series series{.name = line_name(reader.configurations()[line.configurations.front()]), .mark = Mark::line};
    series.end_label = line.strategy;
    set_role(in, line, others, controls, series);
    for (const std::uint32_t c : line.configurations) {
      const double y = values.mean[c];
      if (!std::isfinite(y) || (in.view.minus_b && minus[c] == c && series.role != Role::b)) continue;
      series.x.push_back(x_values[c]);
      series.y.push_back(y);
      const double half = c < values.half_width.size() ? values.half_width[c] : kNoValue;
      if (std::isfinite(half)) {
        series.low.push_back(y - half);
        series.high.push_back(y + half);
      }
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
  fit_axis(figure, in.view.all_controls);
  figure.x.logarithmic = !memory && left > 0 && right / left >= 4;
  figure.x.low = figure.x.logarithmic ? left / 1.06 : left - (right - left) * 0.05 - 1;
  figure.x.high = figure.x.logarithmic ? right * 1.06 : right + (right - left) * 0.05 + 1;
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

std::string line_name(const replay::ResultsConfiguration& configuration) {
  return configuration.strategy + (configuration.control ? " (control)" : "");
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

}  // namespace kvwave::viewer
