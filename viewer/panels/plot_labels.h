// Words inside plots: a line's name beside its end, and names of single points. Both keep clear of each other.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Pixels of a plot that its x axis takes.
inline constexpr float kXAxisHeight = 44;

/// Pixels right of a plot that the names of its lines need, of `whole` for both; 0 when no line has one.
float end_label_room(Ui& ui, const Figure& figure, ImVec2 whole);
/// The names, each as near to its line's end as the others allow and joined to it; `whole` and `room` of
/// end_label_room(), `lifted` the name of the line that stands out. The series whose name the mouse is at, or null.
/// Between BeginPlot and EndPlot.
const Series* draw_end_labels(Ui& ui, const Figure& figure, ImVec2 whole, float room, const std::string& lifted);
/// Figure::labels, where there is room. Between BeginPlot and EndPlot.
void draw_point_labels(Ui& ui, const Figure& figure);

/// Middles of labels of `height` as near to `wanted` (ascending) as they can be without overlap inside [low, high];
/// what does not fit at all ends beyond `high`.
std::vector<float> spread_labels(const std::vector<float>& wanted, float height, float low, float high);

}  // namespace kvwave::viewer
