// The picture of a window that outlives its frames: each frame repaints what differs from the one before.
#pragma once

#include <optional>

#include "viewer/app/damage.h"
#include "viewer/app/gl_canvas.h"

namespace kvwave::viewer {

class Screen {
 public:
  /// Draws `draw` on `background`. Needs the context and the Dear ImGui that made `draw` current. Throws WindowError
  /// when the size cannot be had.
  void paint(ImDrawData& draw, const ImVec4& background);
  /// Everything is drawn again by the next paint().
  void forget() { damage_.forget(); }
  /// What has been painted; not before the first paint().
  const GlCanvas& canvas() const { return *canvas_; }

 private:
  std::optional<GlCanvas> canvas_;
  Damage damage_;
};

}  // namespace kvwave::viewer
