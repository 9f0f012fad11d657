// OpenGL without a display: an EGL context that has no surface; drawing goes to a GlCanvas.
#pragma once

namespace kvwave::viewer {

class HeadlessGl {
 public:
  /// Makes a context current on this thread. Throws WindowError that names what is missing.
  HeadlessGl();
  ~HeadlessGl();
  HeadlessGl(const HeadlessGl&) = delete;
  HeadlessGl& operator=(const HeadlessGl&) = delete;

 private:
  void* display_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace kvwave::viewer
