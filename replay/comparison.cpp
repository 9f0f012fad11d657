#include "replay/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include <fmt/format.h>

#include "replay/equivalence.h"
#include "replay/error.h"
#include "replay/figure_table.h"
#include "replay/holm.h"
#include "replay/mean.h"
#include "replay/no_figure.h"
#include "replay/paired_difference.h"
#include "replay/report.h"

namespace kvwave::replay {
namespace {

FigureComparison compare(const Report& report, const FigureColumn& figure, std::size_t c, std::size_t baseline) {
  std::vector<double> differences;
  for (const ReportTrace& trace : report.traces) {
    const double difference = trace.summaries[c].total.*figure.value - trace.summaries[baseline].total.*figure.value;
    if (!std::isnan(difference)) differences.push_back(difference);
  }
  const StatisticsSettings& settings = report.statistics;
  FigureComparison found;
  found.n = static_cast<std::uint32_t>(differences.size());
  found.difference = mean_of(differences);
  found.interval = bootstrap_mean(differences, settings.bootstrap);
  found.effect_size = paired_effect_size(differences);
  found.p_value = differences.size() < 2 ? kNoFigure : sign_flip_p_value(differences, settings.bootstrap.seed);
  found.p_holm = found.p_equal = kNoFigure;
  if (settings.equal_within && figure.dimensionless) {
    const Equivalence test = equivalence_test(differences, *settings.equal_within);
    found.p_equal = test.p_value;
    found.equal = test.equal;
  }
  return found;
}

// Corrects the p-values of all strategies at one budget, figure by figure.
void correct(const Report& report, std::uint32_t budget, std::vector<LineComparison>& lines) {
  for (std::size_t f = 0; f < figure_table().size(); ++f) {
    std::vector<std::size_t> family;
    std::vector<double> p_values;
    for (std::size_t c = 0; c < lines.size(); ++c) {
      const Configuration& configuration = report.configurations[c];
      if (configuration.budget != budget || configuration.control || lines[c].figures.empty()) continue;
      family.push_back(c);
      p_values.push_back(lines[c].figures[f].p_value);
    }
    const std::vector<double> adjusted = holm_adjusted(p_values);
    for (std::size_t i = 0; i < family.size(); ++i) lines[family[i]].figures[f].p_holm = adjusted[i];
  }
}

std::vector<std::uint32_t> budgets_of(const Report& report) {
  std::vector<std::uint32_t> budgets;
  for (const Configuration& configuration : report.configurations) {
    if (std::find(budgets.begin(), budgets.end(), configuration.budget) == budgets.end()) {
      budgets.push_back(configuration.budget);
    }
  }
  return budgets;
}

// The points of every strategy that evicts, per trace, and the range in which all of that trace's curves lie.
struct Curves {
  std::vector<std::vector<std::size_t>> configurations;  // [strategies] -> one per budget
  std::size_t baseline = 0;                              // strategy
};

Curves curves_of(const Report& report) {
  Curves curves;
  std::map<std::string, std::size_t> place;
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    const Configuration& configuration = report.configurations[c];
    if (configuration.kind == ConfigurationKind::full || configuration.kind == ConfigurationKind::ceiling) continue;
    const auto [at, added] = place.emplace(configuration.full_text, curves.configurations.size());
    if (added) curves.configurations.emplace_back();
    curves.configurations[at->second].push_back(c);
  }
  const std::uint32_t baseline = comparison_baselines(report).front();
  const auto found = place.find(report.configurations[baseline].full_text);
  curves.baseline = found == place.end() ? 0 : found->second;
  return curves;
}

// [strategies] area of one figure on one trace; NaN where there is none.
std::vector<double> areas_of(const ReportTrace& trace, const Curves& curves, const FigureColumn& figure) {
  std::vector<std::vector<FrontierPoint>> points;
  for (const std::vector<std::size_t>& strategy : curves.configurations) {
    points.emplace_back();
    for (const std::size_t c : strategy) {
      const Figures& total = trace.summaries[c].total;
      points.back().push_back({total.realised_mean, total.*figure.value});
    }
  }
  const std::vector<std::span<const FrontierPoint>> views(points.begin(), points.end());
  const std::optional<MemoryRange> range = common_range(views);
  std::vector<double> areas(points.size(), kNoFigure);
  for (std::size_t s = 0; range && s < points.size(); ++s) areas[s] = frontier_area(points[s], *range);
  return areas;
}

}  // namespace

bool StatisticsSettings::operator==(const StatisticsSettings& other) const {
  return bootstrap.seed == other.bootstrap.seed && bootstrap.resamples == other.bootstrap.resamples &&
         bootstrap.level == other.bootstrap.level && baseline == other.baseline && equal_within == other.equal_within;
}

std::vector<std::uint32_t> comparison_baselines(const Report& report) {
  const std::vector<Configuration>& all = report.configurations;
  std::map<std::uint32_t, std::uint32_t> of_budget;
  const auto choose = [&](std::uint32_t budget, const auto& fits) {
    for (std::uint32_t c = 0; c < all.size() && !of_budget.contains(budget); ++c) {
      if (all[c].budget == budget && fits(all[c])) of_budget.emplace(budget, c);
    }
  };
  for (const std::uint32_t budget : budgets_of(report)) {
    if (!report.statistics.baseline.empty()) {
      choose(budget, [&](const Configuration& c) { return c.full_text == report.statistics.baseline; });
      if (!of_budget.contains(budget)) {
        std::string compared;
        for (const Configuration& c : all) {
          if (c.budget == budget) compared.append(compared.empty() ? "" : ", ").append(c.strategy);
        }
        throw UnequalResults(
            fmt::format("the baseline '{}' is not among the strategies compared at budget {}, which are {}",
                        report.statistics.baseline, budget, compared));
      }
    }
    choose(budget, [](const Configuration& c) { return !c.control && c.full_text.starts_with("uniform"); });
    choose(budget, [](const Configuration& c) { return !c.control; });
    choose(budget, [](const Configuration&) { return true; });
  }
  std::vector<std::uint32_t> baselines;
  for (const Configuration& configuration : all) baselines.push_back(of_budget.at(configuration.budget));
  return baselines;
}

std::vector<LineComparison> compare_lines(const Report& report) {
  if (report.traces.size() < 2) return {};
  const std::vector<std::uint32_t> baselines = comparison_baselines(report);
  std::vector<LineComparison> lines(report.configurations.size());
  for (std::size_t c = 0; c < lines.size(); ++c) {
    lines[c].baseline = baselines[c];
    if (baselines[c] == c) continue;
    for (const FigureColumn& figure : figure_table()) {
      lines[c].figures.push_back(compare(report, figure, c, baselines[c]));
    }
  }
  for (const std::uint32_t budget : budgets_of(report)) correct(report, budget, lines);
  return lines;
}

std::vector<FrontierFigure> compare_frontiers(const Report& report) {
  if (budgets_of(report).size() < kFewestFrontierPoints) return {};
  const Curves curves = curves_of(report);
  if (curves.configurations.empty()) return {};
  std::vector<FrontierFigure> frontier;
  for (const FigureColumn& figure : figure_table()) {
    if (!figure.dimensionless || figure.better == Better::neither) continue;
    std::vector<std::vector<double>> areas;  // [traces][strategies]
    for (const ReportTrace& trace : report.traces) areas.push_back(areas_of(trace, curves, figure));
    for (std::size_t s = 0; s < curves.configurations.size(); ++s) {
      std::vector<double> own, differences;
      for (const std::vector<double>& of_trace : areas) {
        if (std::isnan(of_trace[s])) continue;
        own.push_back(of_trace[s]);
        differences.push_back(of_trace[s] - of_trace[curves.baseline]);
      }
      if (own.empty()) continue;
      const Configuration& configuration = report.configurations[curves.configurations[s].front()];
      FrontierFigure line;
      line.strategy = configuration.strategy;
      line.full_text = configuration.full_text;
      line.figure = figure.name;
      line.control = configuration.control;
      line.n = static_cast<std::uint32_t>(own.size());
      line.area = mean_of(own);
      line.interval = bootstrap_mean(own, report.statistics.bootstrap);
      line.difference = mean_of(differences);
      line.difference_interval = bootstrap_mean(differences, report.statistics.bootstrap);
      frontier.push_back(std::move(line));
    }
  }
  return frontier;
}

}  // namespace kvwave::replay
