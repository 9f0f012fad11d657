// Lowest and highest of what was seen: how axes are fitted to values.
#pragma once

#include <algorithm>
#include <cmath>

#include "viewer/model/figure.h"

namespace kvwave::viewer {

struct ValueRange {
  double low = INFINITY, high = -INFINITY;

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void include(const ValueRange& other) {
    include(other.low);
    include(other.high);
  }
  /// A line's values and intervals.
  void include(const Series& series) {
    for (const auto* values : {&series.y, &series.low, &series.high}) {
      for (const double value : *values) include(value);
    }
  }
  bool empty() const { return low > high; }
  double size() const { return empty() ? 0 : high - low; }
  bool holds(const ValueRange& other) const { return low <= other.low && other.high <= high; }
  /// As the ends of an axis, with a share of the range to spare at both.
  void give(Axis& axis, double share = 0.05) const {
    const double margin = std::max(1e-9, size()) * share;
    axis.low = low - margin;
    axis.high = high + margin;
  }
};

}  // namespace kvwave::viewer
