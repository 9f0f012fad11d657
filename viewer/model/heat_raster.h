// A heatmap's visible part as pixels. Every cell that a pixel touches enters it, so a single high cell among thousands
// stays visible at any zoom.
#pragma once

#include <cstdint>
#include <vector>

#include "viewer/model/figure.h"

namespace kvwave::viewer {

/// The part of a figure that is on screen, in data units; the first row of pixels is at `top`.
struct ViewRect {
  double left = 0, right = 1, top = 0, bottom = 1;
  bool operator==(const ViewRect&) const = default;
};

/// (height, width) packed colours; cells without a value and pixels outside the grid are transparent.
std::vector<std::uint32_t> rasterise(const Heatmap& map, const ViewRect& view, std::uint32_t width,
                                     std::uint32_t height);

/// Where a value stands on the colour bar, in [0, 1].
float colour_position(const Heatmap& map, float value);

/// What one pixel shows for a region with these extremes.
float shown_value(const Heatmap& map, const Extremes& region);

}  // namespace kvwave::viewer
