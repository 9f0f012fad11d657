// Words inside plots: a line's name beside its end, and names of single points. Both keep clear of each other.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Pixels right of a plot of `width` that the names of its lines need; 0 when no line has one.
float end_label_room(Ui& ui, const Figure& figure, float width);
/// The names, each as near to its line's end as the others allow; `width` and `room` of end_label_room(). Between
/// BeginPlot and EndPlot.
void draw_end_labels(Ui& ui, const Figure& figure, float width, float room);
/// Figure::labels, where there is room. Between BeginPlot and EndPlot.
void draw_point_labels(Ui& ui, const Figure& figure);

/// Middles of labels of `height` as near to `wanted` (ascending) as they can be without overlap inside [low, high];
/// what does not fit at all ends beyond `high`.
std::vector<float> spread_labels(const std::vector<float>& wanted, float height, float low, float high);

}  // namespace kvwave::viewer
