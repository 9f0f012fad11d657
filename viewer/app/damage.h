// Which parts of the screen differ from the frame before. A frame is a list of triangles; the screen is cut into tiles,
// and a tile whose triangles are the same ones in the same order shows the same pixels. While the time cursor moves,
// most tiles do, and a rasteriser on the CPU is spared their pixels.
#pragma once

#include <cstdint>
#include <imgui.h>
#include <memory>
#include <vector>

namespace kvwave::viewer {

/// Pixels [x0, x1) x [y0, y1), y downwards.
struct PixelRect {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool operator==(const PixelRect&) const = default;
};

/// What each tile showed in the frame before.
class Damage {
 public:
  static constexpr int kTile = 32;  ///< pixels a side
  /// More pieces than this cost more than the pixels that they spare; then it is their bounding box.
  static constexpr std::size_t kMostRects = 48;

  /// What has to be drawn again, in rectangles that do not overlap; everything after forget(), another size, or when a
  /// list holds a callback, whose effect cannot be known. `draw` must have framebuffer scale 1.
  std::vector<PixelRect> changed(const ImDrawData& draw);
  void forget() { tiles_.clear(); }

 private:
  int columns_ = 0, rows_ = 0, width_ = 0, height_ = 0;
  std::vector<std::uint64_t> tiles_, next_;
};

/// `draw` cut to rectangles: the same triangles, clipped, and none that lie outside.
class ClippedFrame {
 public:
  ClippedFrame(const ImDrawData& draw, const std::vector<PixelRect>& rects);
  ImDrawData* data() { return &data_; }

 private:
  ImDrawData data_;
  std::vector<std::unique_ptr<ImDrawList>> lists_;
};

}  // namespace kvwave::viewer
