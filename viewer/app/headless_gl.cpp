#include "viewer/app/headless_gl.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <array>
#include <string>

#include "viewer/app/window_error.h"

namespace kvwave::viewer {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw WindowError("cannot draw without a display: " + what + "; Debian's libegl-mesa0 and libgl1-mesa-dri bring it");
}

std::string last_error() {
  return "EGL error " + std::to_string(eglGetError());
}

}  // namespace

HeadlessGl::HeadlessGl() {
  const auto get_display =
      reinterpret_cast<PFNEGLGETPLATFORMDISPLAYEXTPROC>(eglGetProcAddress("eglGetPlatformDisplayEXT"));
  if (get_display == nullptr) fail("EGL has no eglGetPlatformDisplayEXT");
  display_ = get_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  if (display_ == EGL_NO_DISPLAY || eglInitialize(display_, nullptr, nullptr) == EGL_FALSE) fail(last_error());
  if (eglBindAPI(EGL_OPENGL_API) == EGL_FALSE) fail("EGL offers no OpenGL");
  constexpr std::array<EGLint, 5> kConfig = {EGL_SURFACE_TYPE, 0, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE};
  EGLConfig config = nullptr;
  EGLint n = 0;
  if (eglChooseConfig(display_, kConfig.data(), &config, 1, &n) == EGL_FALSE || n < 1) config = nullptr;
  constexpr std::array<EGLint, 7> kContext = {
      EGL_CONTEXT_MAJOR_VERSION,           3,       EGL_CONTEXT_MINOR_VERSION, 3, EGL_CONTEXT_OPENGL_PROFILE_MASK,
      EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT, EGL_NONE};
  context_ = eglCreateContext(display_, config, EGL_NO_CONTEXT, kContext.data());
  if (context_ == EGL_NO_CONTEXT) fail("OpenGL 3.3: " + last_error());
  if (eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_) == EGL_FALSE) fail(last_error());
}

HeadlessGl::~HeadlessGl() {
  eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  eglDestroyContext(display_, context_);
  eglTerminate(display_);
}

}  // namespace kvwave::viewer
