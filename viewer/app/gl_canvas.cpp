#define GL_GLEXT_PROTOTYPES
#include "viewer/app/gl_canvas.h"

#include <GL/gl.h>
#include <GL/glext.h>
#include <algorithm>
#include <string>

#include "viewer/app/window_error.h"

namespace kvwave::viewer {

GlCanvas::GlCanvas(int width, int height) : width_(width), height_(height) {
  GLint most = 0;
  glGetIntegerv(GL_MAX_TEXTURE_SIZE, &most);
  if (width < 1 || height < 1 || width > most || height > most) {
    throw WindowError("a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                      " pixels cannot be drawn here; at most " + std::to_string(most) + " each way");
  }
  glGenTextures(1, &colour_);
  glBindTexture(GL_TEXTURE_2D, colour_);
  glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, nullptr);
  glGenFramebuffers(1, &framebuffer_);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, colour_, 0);
  if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
    throw WindowError("OpenGL refuses a framebuffer of " + std::to_string(width) + " x " + std::to_string(height));
  }
}

GlCanvas::~GlCanvas() {
  glDeleteFramebuffers(1, &framebuffer_);
  glDeleteTextures(1, &colour_);
}

void GlCanvas::bind() const {
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
}

void GlCanvas::clear_rect(int x0, int y0, int x1, int y1, float r, float g, float b) const {
  glEnable(GL_SCISSOR_TEST);
  glScissor(x0, height_ - y1, x1 - x0, y1 - y0);
  glClearColor(r, g, b, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  glDisable(GL_SCISSOR_TEST);
}

void GlCanvas::copy_to_window() const {
  glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer_);
  glBindFramebuffer(GL_DRAW_FRAMEBUFFER, 0);
  glBlitFramebuffer(0, 0, width_, height_, 0, 0, width_, height_, GL_COLOR_BUFFER_BIT, GL_NEAREST);
  glBindFramebuffer(GL_FRAMEBUFFER, 0);
}

std::vector<std::uint8_t> GlCanvas::pixels() const {
  bind();
  const auto row = static_cast<std::size_t>(width_) * 3;
  std::vector<std::uint8_t> upside_down(row * static_cast<std::size_t>(height_)), out(upside_down.size());
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, width_, height_, GL_RGB, GL_UNSIGNED_BYTE, upside_down.data());
  for (std::size_t y = 0; y < static_cast<std::size_t>(height_); ++y) {
    const auto from = upside_down.end() - static_cast<std::ptrdiff_t>((y + 1) * row);
    std::copy(from, from + static_cast<std::ptrdiff_t>(row), out.begin() + static_cast<std::ptrdiff_t>(y * row));
  }
  return out;
}

GlTexture::~GlTexture() {
  if (id_ != 0) glDeleteTextures(1, &id_);
}

void GlTexture::upload(const std::vector<std::uint32_t>& pixels, int width, int height) {
  const unsigned before = id_;
  glGenTextures(1, &id_);
  glBindTexture(GL_TEXTURE_2D, id_);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
  glPixelStorei(GL_UNPACK_ALIGNMENT, 4);
  glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, pixels.data());
  if (before != 0) glDeleteTextures(1, &before);
}

void finish_drawing() {
  glFinish();
}

void clear(int width, int height, float r, float g, float b) {
  glViewport(0, 0, width, height);
  glDisable(GL_SCISSOR_TEST);
  glClearColor(r, g, b, 1);
  glClear(GL_COLOR_BUFFER_BIT);
}

const char* renderer_name() {
  return reinterpret_cast<const char*>(glGetString(GL_RENDERER));
}

}  // namespace kvwave::viewer
