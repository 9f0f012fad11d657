// Draws any figure: titles, axes, lines, heatmap with its colour bar, the time cursor, tooltips with exact values.
#pragma once

#include <string>
#include <string_view>

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Where in a plot the user clicked, in data units.
struct PlotClick {
  bool clicked = false;
  double x = 0, y = 0;
  std::string series = {};  ///< whose line or name it was, of those named beside their ends
};

/// The newest figure of that name into `size` pixels, or why there is none.
PlotClick draw_figure(Ui& ui, std::string_view name, ImVec2 size);

/// This figure, which is no table; `version` grows when its values change.
PlotClick draw_plot_figure(Ui& ui, const Figure& figure, std::uint64_t version, ImVec2 size);

/// A heading with a muted second line.
void draw_title(Ui& ui, const Figure& figure);

/// Centred muted text in place of a plot.
void draw_message(Ui& ui, std::string_view text, ImVec2 size);

}  // namespace kvwave::viewer
