// What marks cursor and selection in every plot.
#pragma once

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// Time cursor, selected layer and position where an axis shows them; dragging the cursor scrubs. Between BeginPlot and
/// EndPlot.
void draw_selection(Ui& ui, const Figure& figure);

}  // namespace kvwave::viewer
