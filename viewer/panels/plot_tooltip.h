// The exact value under the mouse, as one line that can be copied.
#pragma once

#include <string>

#include "viewer/panels/ui.h"

namespace kvwave::viewer {

/// "step 12, layer 3, demand 41.5"; several lines for several series, of which only `lifted`, A and B where the mouse
/// is at one; empty where there is nothing.
std::string value_at(const Ui& ui, const Figure& figure, double x, double y, const std::string& lifted);
void draw_value_tooltip(Ui& ui, const std::string& text);

}  // namespace kvwave::viewer
