// Differences between strategies as a reader may trust them: the trace is the unit, every strategy ran on the same
// traces, so differences are paired. METRICS.md defines each figure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replay/bootstrap.h"
#include "replay/frontier.h"

namespace kvwave::replay {

struct Report;

struct StatisticsSettings {
  BootstrapOptions bootstrap;
  std::string baseline;                ///< full_text() of the strategy differences are taken to; "" = the default
  std::optional<double> equal_within;  ///< delta of the equivalence test; nothing = not asked for
  bool operator==(const StatisticsSettings& other) const;
};

/// One figure of one configuration against the same figure of the baseline at the same budget.
struct FigureComparison {
  double difference = 0;   ///< mean over traces; NaN where either side has no figure
  Interval interval;       ///< of the difference
  double effect_size = 0;  ///< paired_effect_size()
  double p_value = 0;      ///< sign_flip_p_value()
  double p_holm = 0;       ///< Holm over the strategies at this budget; NaN for controls, which are no candidates
  double p_equal = 0;      ///< of the equivalence test; NaN when not asked for or the figure has a unit
  bool equal = false;      ///< within delta of the baseline
  std::uint32_t n = 0;     ///< traces that have the figure on both sides
};

struct LineComparison {
  std::uint32_t baseline = 0;             ///< configuration; a configuration is its own where nothing is compared
  std::vector<FigureComparison> figures;  ///< in the order of figure_table(); empty for the baseline itself
};

/// One figure of one strategy over all its budgets.
struct FrontierFigure {
  std::string strategy, full_text, figure;
  bool control = false;
  double area = 0;  ///< mean over traces of frontier_area() over the memory that all strategies cover
  Interval interval;
  double difference = 0;  ///< to the baseline's area, mean over traces
  Interval difference_interval;
  std::uint32_t n = 0;  ///< traces with enough points
};

/// The configuration that each is compared with: the chosen baseline at the same budget; by default the first strategy
/// whose allocator is uniform, else the first. Throws UnequalResults when the chosen one is not in the report.
std::vector<std::uint32_t> comparison_baselines(const Report& report);

std::vector<LineComparison> compare_lines(const Report& report);
std::vector<FrontierFigure> compare_frontiers(const Report& report);

}  // namespace kvwave::replay
