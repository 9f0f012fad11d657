// How lines, bands, stems and points look, and what marks cursor and selection in every plot.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// One series into the current ImPlot plot.
void draw_series(Ui& ui, const Series& series, const Axis& y);
/// Its sample in a legend, `width` pixels from the left middle.
void draw_swatch(Ui& ui, const Series& series, ImVec2 left, float width);
/// Time cursor, selected layer and position where an axis shows them; dragging the cursor scrubs.
void draw_selection(Ui& ui, const Figure& figure);

}  // namespace kvwave::viewer
