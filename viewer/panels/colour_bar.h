// The colour bar right of a heatmap.
#pragma once

#include "viewer/model/figure.h"
#include "viewer/panels/ui.h"

namespace kvwave::viewer {

inline constexpr float kColourBarRoom = 74;  ///< pixels at scale 1, with ticks and label

/// Gradient, ticks, and what it measures written along it, `height` pixels from `top` on.
void draw_colour_bar(Ui& ui, const Heatmap& map, ImVec2 top, float height);

}  // namespace kvwave::viewer
