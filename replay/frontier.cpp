#include "replay/frontier.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kvwave::replay {

std::optional<MemoryRange> common_range(std::span<const std::span<const FrontierPoint>> curves) {
  MemoryRange range{0, std::numeric_limits<double>::infinity()};
  for (const std::span<const FrontierPoint> curve : curves) {
    std::size_t n = 0;
    double low = std::numeric_limits<double>::infinity(), high = 0;
    for (const FrontierPoint& point : curve) {
      if (std::isnan(point.value) || !(point.memory > 0)) continue;
      low = std::min(low, point.memory);
      high = std::max(high, point.memory);
      ++n;
    }
    if (n < kFewestFrontierPoints) return std::nullopt;
    range.low = std::max(range.low, low);
    range.high = std::min(range.high, high);
  }
  if (curves.empty() || !(range.low < range.high)) return std::nullopt;
  return range;
}

double frontier_area(std::span<const FrontierPoint> curve, const MemoryRange& range) {
  std::vector<FrontierPoint> points;
  for (const FrontierPoint& point : curve) {
    if (!std::isnan(point.value) && point.memory > 0) points.push_back({std::log(point.memory), point.value});
  }
  std::sort(points.begin(), points.end(),
            [](const FrontierPoint& a, const FrontierPoint& b) { return a.memory < b.memory; });
  const double low = std::log(range.low), high = std::log(range.high);
  double area = 0;
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const FrontierPoint &a = points[i], &b = points[i + 1];
    const double from = std::max(low, a.memory), to = std::min(high, b.memory);
    if (!(from < to)) continue;
    const double slope = (b.value - a.value) / (b.memory - a.memory);
    area += (to - from) * (a.value + slope * (0.5 * (from + to) - a.memory));
  }
  return area / (high - low);
}

}  // namespace kvwave::replay
