// How lines, bands, stems and points look.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Whether the mouse is at one line of many.
enum class Emphasis { plain, lifted, faded };

/// One series into the current ImPlot plot.
void draw_series(Ui& ui, const Series& series, const Axis& y, Emphasis emphasis);
/// The series with a name beside its end whose line passes the mouse within `reach` pixels, the nearest; or null.
const Series* line_at_mouse(const Figure& figure, float reach);
/// Its sample in a legend, `width` pixels from the left middle.
void draw_swatch(Ui& ui, const Series& series, ImVec2 left, float width);

}  // namespace kvwave::viewer
