// One designed light and one dark theme. Colours carry one meaning each: A is blue, B is orange, controls are grey, the
// trace itself is ink, the time cursor is the accent; other strategies and traces are muted, and never blue or orange.
#pragma once

#include <cstddef>
#include <imgui.h>

#include "viewer/model/figure.h"

namespace kvwave::viewer {

enum class ThemeKind { light, dark };

struct Theme {
  ThemeKind kind = ThemeKind::light;
  ImVec4 background, panel, raised, ink, muted, line, grid, accent, a, b, control, warning;

  /// Colour of a series; `index` as in Series::colour.
  ImVec4 of(Role role, std::size_t index) const;
};

Theme make_theme(ThemeKind kind);

/// Sets Dear ImGui's and ImPlot's styles; `scale` is the display's (1 = 96 dpi).
void apply_theme(const Theme& theme, float scale);

ImU32 packed(const ImVec4& colour, float alpha = 1);

/// Fonts of the package that Dear ImGui comes from: Roboto (Apache 2.0) and Inconsolata (OFL).
struct Fonts {
  ImFont* regular = nullptr;
  ImFont* bold = nullptr;
  ImFont* mono = nullptr;
};
inline constexpr float kTextSize = 15, kSmallSize = 13, kTitleSize = 16;

/// Adds them to the current context's atlas; they are part of the program.
Fonts load_fonts();

}  // namespace kvwave::viewer
