// The one list of a replay's figures: name, place in Figures, which way is better. Averages, intervals, the CSV, the
// manifest and results.h5 are drawn from it, in this order. A new figure = a member of Figures, its formation in
// summary.cpp, a line in figure_table.cpp and its definition in METRICS.md.
#pragma once

#include <span>
#include <string_view>

#include "replay/summary.h"

namespace kvwave::replay {

enum class Better {
  higher,
  lower,
  neither  ///< describes the cache (memory, turnover): differences are reported without a verdict
};

struct FigureColumn {
  std::string_view name;  ///< in CSV, JSON and results.h5
  double Figures::*value = nullptr;
  Better better = Better::neither;
  /// A share or a ratio without unit, of which "equal within 0.01" can be said.
  bool dimensionless = false;
};

std::span<const FigureColumn> figure_table();

}  // namespace kvwave::replay
