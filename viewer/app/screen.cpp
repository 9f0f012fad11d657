#include "viewer/app/screen.h"

#include <cmath>
#include <imgui_impl_opengl3.h>

namespace kvwave::viewer {

void Screen::paint(ImDrawData& draw, const ImVec4& background) {
  const int width = static_cast<int>(std::lround(draw.DisplaySize.x * draw.FramebufferScale.x));
  const int height = static_cast<int>(std::lround(draw.DisplaySize.y * draw.FramebufferScale.y));
  if (!canvas_ || canvas_->width() != width || canvas_->height() != height) {
    canvas_.emplace(width, height);
    damage_.forget();
  }
  const auto clear = [&](const PixelRect& r) {
    canvas_->clear_rect(r.x0, r.y0, r.x1, r.y1, background.x, background.y, background.z);
  };
  // Where units are no pixels (some displays of high density have a GPU behind them) all is drawn.
  if (draw.FramebufferScale.x != 1 || draw.FramebufferScale.y != 1) {
    canvas_->bind();
    clear({0, 0, width, height});
    ImGui_ImplOpenGL3_RenderDrawData(&draw);
    return;
  }
  const std::vector<PixelRect> rects = damage_.changed(draw);
  if (rects.empty()) return;
  canvas_->bind();
  for (const PixelRect& rect : rects) clear(rect);
  ClippedFrame frame(draw, rects);
  ImGui_ImplOpenGL3_RenderDrawData(frame.data());
}

}  // namespace kvwave::viewer
