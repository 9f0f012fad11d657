// Figures that are tables.
#pragma once

#include <string_view>

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// The table of that name into `size` pixels. In the ledger a click makes a line A, with Shift B.
void draw_table_figure(Ui& ui, std::string_view name, ImVec2 size);

}  // namespace kvwave::viewer
