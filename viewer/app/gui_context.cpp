#include "viewer/app/gui_context.h"

#include <imgui_impl_opengl3.h>
#include <implot.h>

#include "viewer/app/window_error.h"

namespace kvwave::viewer {

GuiContext::GuiContext(ThemeKind theme, float scale)
    : before_(ImGui::GetCurrentContext()),
      plot_before_(ImPlot::GetCurrentContext()),
      gui_(ImGui::CreateContext()),
      plot_(ImPlot::CreateContext()) {
  make_current();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.LogFilename = nullptr;
  io.ConfigFlags |= ImGuiConfigFlags_DockingEnable;
  io.ConfigWindowsMoveFromTitleBarOnly = true;
  fonts_ = load_fonts();
  set_theme(theme, scale);
  ImPlot::GetInputMap().Fit = ImGuiMouseButton_Middle;  // a double click shows the whole figure, which is not the same
  if (!ImGui_ImplOpenGL3_Init("#version 330")) throw WindowError("OpenGL 3.3 is needed and not there");
}

GuiContext::~GuiContext() {
  make_current();
  ImGui_ImplOpenGL3_Shutdown();
  ImPlot::DestroyContext(plot_);
  ImGui::DestroyContext(gui_);
  ImGui::SetCurrentContext(before_);
  ImPlot::SetCurrentContext(plot_before_);
}

void GuiContext::make_current() const {
  ImGui::SetCurrentContext(gui_);
  ImPlot::SetCurrentContext(plot_);
}

void GuiContext::set_theme(ThemeKind theme, float scale) {
  theme_ = make_theme(theme);
  scale_ = scale;
  apply_theme(theme_, scale);
}

void GuiContext::dress(Ui& ui) const {
  ui.theme = theme_;
  ui.fonts = fonts_;
  ui.scale = scale_;
}

void GuiContext::build(int width, int height, const std::function<void()>& draw, float seconds) {
  make_current();
  ImGuiIO& io = ImGui::GetIO();
  io.DisplaySize = ImVec2(static_cast<float>(width), static_cast<float>(height));
  io.DeltaTime = seconds;
  ImGui_ImplOpenGL3_NewFrame();
  ImGui::NewFrame();
  draw();
  ImGui::Render();
}

void GuiContext::paint(const GlCanvas& canvas) {
  make_current();
  canvas.bind();
  clear(canvas.width(), canvas.height(), theme_.background.x, theme_.background.y, theme_.background.z);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
}

void GuiContext::paint(Screen& screen) {
  make_current();
  screen.paint(*ImGui::GetDrawData(), theme_.background);
}

}  // namespace kvwave::viewer
