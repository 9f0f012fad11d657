// A framebuffer to draw into and read back, on whatever OpenGL context is current; and textures for heatmaps.
#pragma once

#include <cstdint>
#include <filesystem>
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
  void bind() const;                         ///< drawing goes here
  static void unbind();                      ///< drawing goes to the window again
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
  /// pixels: (height, width) packed RGBA; nearest-neighbour sampling.
  void upload(const std::vector<std::uint32_t>& pixels, int width, int height);
  unsigned id() const { return id_; }

 private:
  unsigned id_ = 0;
  int width_ = 0, height_ = 0;
};

/// Waits until everything is drawn, for timing.
void finish_drawing();
/// Fills what is bound with a colour.
void clear(int width, int height, float r, float g, float b);
/// e.g. "llvmpipe (LLVM 15.0.6, 256 bits)".
const char* renderer_name();

/// Writes a PNG whole or not at all. Throws traces::OutputExists, traces::OutputFailed.
void write_png(const std::filesystem::path& path, const std::vector<std::uint8_t>& rgb, int width, int height,
               bool overwrite);

}  // namespace kvwave::viewer
