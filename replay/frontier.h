// A figure against the memory that a strategy really took: the curve that decides which strategy buys more.
#pragma once

#include <optional>
#include <span>

namespace kvwave::replay {

struct FrontierPoint {
  double memory = 0;  ///< realised mean entries per KV head, positive
  double value = 0;   ///< of the figure
};

/// Fewer points than this are no curve: no area is formed.
inline constexpr std::size_t kFewestFrontierPoints = 5;

struct MemoryRange {
  double low = 0, high = 0;
};

/// The memory that all curves cover: [largest of their smallest, smallest of their largest]. Nothing when that is
/// empty, or when a curve has fewer than kFewestFrontierPoints finite points.
std::optional<MemoryRange> common_range(std::span<const std::span<const FrontierPoint>> curves);

/// Mean of the curve over `range` on a logarithmic memory axis: (1 / ln(high / low)) * integral of value d ln(memory),
/// the curve being linear between points on that axis. So 64 to 128 entries weighs as much as 256 to 512. Points in
/// any order; `range` must lie inside the curve's own.
double frontier_area(std::span<const FrontierPoint> curve, const MemoryRange& range);

}  // namespace kvwave::replay
