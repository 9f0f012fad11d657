// A framebuffer to draw into and read back, on whatever OpenGL context is current; and textures for heatmaps.
#pragma once

#include <cstdint>
#include <vector>

namespace kvwave::viewer {

class GlCanvas {
 public:
  /// Throws WindowError when the size is beyond what the driver can do.
  GlCanvas(int width, int height);
  ~GlCanvas();
  GlCanvas(const GlCanvas&) = delete;
  GlCanvas& operator=(const GlCanvas&) = delete;

  int width() const { return width_; }
  int height() const { return height_; }
  void bind() const;                                                                 ///< drawing goes here
  void clear_rect(int x0, int y0, int x1, int y1, float r, float g, float b) const;  ///< [x0, x1) x [y0, y1), y down
  void copy_to_window() const;               ///< and leaves the window's framebuffer bound
  std::vector<std::uint8_t> pixels() const;  ///< (height, width, 3), first row on top

 private:
  int width_, height_;
  unsigned framebuffer_ = 0, colour_ = 0;
};

class GlTexture {
 public:
  GlTexture() = default;
  ~GlTexture();
  GlTexture(const GlTexture&) = delete;
  GlTexture& operator=(const GlTexture&) = delete;
  /// pixels: (height, width) packed RGBA; nearest-neighbour sampling. A new id each time, never the one before: what is
  /// drawn with an id stays what it was.
  void upload(const std::vector<std::uint32_t>& pixels, int width, int height);
  unsigned id() const { return id_; }

 private:
  unsigned id_ = 0;
};

/// Waits until everything is drawn, for timing.
void finish_drawing();
/// Fills what is bound with a colour.
void clear(int width, int height, float r, float g, float b);
/// e.g. "llvmpipe (LLVM 15.0.6, 256 bits)".
const char* renderer_name();

}  // namespace kvwave::viewer
