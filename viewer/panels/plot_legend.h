// The legend above a plot.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Swatches and names of the lines that have no name at their end, flowing over as many lines as it takes; nothing
/// where that is more than `room`, as the tooltip names them too.
void draw_legend(Ui& ui, const Figure& figure, ImVec2 room);

}  // namespace kvwave::viewer
