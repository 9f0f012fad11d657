// One Dear ImGui and ImPlot context with fonts, theme and the OpenGL backend, for a window or for pictures.
#pragma once

#include <cstdint>
#include <functional>

#include "viewer/app/gl_canvas.h"
#include "viewer/app/screen.h"
#include "viewer/panels/ui.h"

struct ImGuiContext;
struct ImPlotContext;

namespace kvwave::viewer {

class GuiContext {
 public:
  /// Needs a current OpenGL context. Becomes the current Dear ImGui context; the one before is restored at the end.
  GuiContext(ThemeKind theme, float scale);
  ~GuiContext();
  GuiContext(const GuiContext&) = delete;
  GuiContext& operator=(const GuiContext&) = delete;

  /// Fonts, theme and scale into `ui`.
  void dress(Ui& ui) const;
  void set_theme(ThemeKind theme, float scale);
  void make_current() const;

  /// One frame of `draw`, laid out and not yet painted, without a window system.
  void build(int width, int height, const std::function<void()>& draw, float seconds = 1.0F / 60);
  /// The frame that was built last into the canvas, or into a screen where what changed is painted alone.
  void paint(const GlCanvas& canvas);
  void paint(Screen& screen);

 private:
  ImGuiContext* before_;
  ImPlotContext* plot_before_;
  ImGuiContext* gui_;
  ImPlotContext* plot_;
  Fonts fonts_;
  Theme theme_;
  float scale_;
};

}  // namespace kvwave::viewer
