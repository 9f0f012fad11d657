#include "viewer/app/window.h"

#include <GLFW/glfw3.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <imgui_impl_glfw.h>
#include <imgui_impl_opengl3.h>
#include <memory>
#include <sys/resource.h>

#include "viewer/app/export.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/settings.h"
#include "viewer/app/window_error.h"
#include "viewer/app/workbench.h"

namespace kvwave::viewer {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kWholeFrames = 20;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

class GlfwWindow {
 public:
  GlfwWindow(int width, int height) {
    glfwSetErrorCallback([](int, const char*) {});  // told below, once
    if (glfwInit() == GLFW_FALSE) throw WindowError("no display: " + reason() + "; --export DIR draws without one");
    glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
    glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
    glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
    glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
    window_ = glfwCreateWindow(width, height, "kvwave", nullptr, nullptr);
    if (window_ == nullptr) {
      const std::string why = reason();
      glfwTerminate();
      throw WindowError("no window with OpenGL 3.3: " + why);
    }
    glfwMakeContextCurrent(window_);
    glfwSwapInterval(1);
  }
  ~GlfwWindow() {
    glfwDestroyWindow(window_);
    glfwTerminate();
  }
  GlfwWindow(const GlfwWindow&) = delete;
  GlfwWindow& operator=(const GlfwWindow&) = delete;
  GLFWwindow* get() const { return window_; }

 private:
  static std::string reason() {
    const char* text = nullptr;
    glfwGetError(&text);
    return text != nullptr ? text : "unknown reason";
  }
  GLFWwindow* window_ = nullptr;
};

float display_scale(GLFWwindow* window) {
  float x = 1, y = 1;
  glfwGetWindowContentScale(window, &x, &y);
  return std::clamp(std::max(x, y), 0.5F, 4.0F);
}

/// Connects Dear ImGui to the window for as long as it lives.
class GlfwBackend {
 public:
  explicit GlfwBackend(GLFWwindow* window) { ImGui_ImplGlfw_InitForOpenGL(window, true); }
  ~GlfwBackend() { ImGui_ImplGlfw_Shutdown(); }
  GlfwBackend(const GlfwBackend&) = delete;
  GlfwBackend& operator=(const GlfwBackend&) = delete;
};

void drop_files(GLFWwindow* window, int n, const char** paths) {
  static_cast<Workbench*>(glfwGetWindowUserPointer(window))->drop(n, paths);
}

// A figure saved from the menu: the same code that --export runs, beside the window's own context.
void save_wanted(Session& session, Workbench& workbench) {
  if (!workbench.save_folder || !workbench.ui().save_figure) return;
  ExportOptions options;
  options.folder = *workbench.save_folder;
  options.panels = {*workbench.ui().save_figure};
  options.theme = workbench.ui().theme.kind;
  options.overwrite = true;
  try {
    const ExportReport report = export_figures(session, options);
    workbench.ui().status = "saved " + report.written.front().string() + " with CSV and JSON";
  } catch (const std::exception& error) {
    workbench.ui().status = error.what();
  }
  workbench.save_folder.reset();
  workbench.ui().save_figure.reset();
}

}  // namespace

void run_window(Session& session, const WindowOptions& options) {
  const std::filesystem::path folder = settings_folder();
  Settings settings = read_settings(folder);
  if (options.theme) settings.theme = *options.theme;
  // Before the context, which writes the layout there when it ends.
  const std::string layout = folder.empty() ? "" : (folder / "layout.ini").string();
  const GlfwWindow window(options.width, options.height);
  float scale = display_scale(window.get());
  GuiContext gui(settings.theme, scale);
  if (!layout.empty()) ImGui::GetIO().IniFilename = layout.c_str();
  if (!layout.empty()) write_settings(folder, settings);  // makes the folder that the layout is saved in
  Workbench workbench(session);
  workbench.ui().tabs = options.tabs;
  workbench.recent = settings.recent;
  for (const std::string& file : options.files) workbench.remember(file);
  glfwSetWindowUserPointer(window.get(), &workbench);
  glfwSetDropCallback(window.get(), drop_files);
  const GlfwBackend backend(window.get());
  Screen screen;

  for (int frame = 0; glfwWindowShouldClose(window.get()) == GLFW_FALSE && !workbench.quit; ++frame) {
    if (options.frames > 0 && frame >= options.frames) break;
    // Nothing moves: wait for input, looking in now and then for finished work or new steps.
    if (workbench.playing || session.busy() || frame < 10 || options.frames > 0) {
      glfwPollEvents();
    } else {
      glfwWaitEventsTimeout(session.has_trace() && session.trace().growing ? 0.25 : 1.0);
    }
    int width = 0, height = 0;
    glfwGetFramebufferSize(window.get(), &width, &height);
    if (width < 1 || height < 1) {  // minimised
      glfwWaitEventsTimeout(0.1);
      continue;
    }
    if (workbench.wanted_theme || display_scale(window.get()) != scale) {
      settings.theme = workbench.wanted_theme.value_or(settings.theme);
      scale = display_scale(window.get());
      gui.set_theme(settings.theme, scale);
      workbench.wanted_theme.reset();
      screen.forget();
    }
    gui.dress(workbench.ui());
    ImGui_ImplOpenGL3_NewFrame();
    ImGui_ImplGlfw_NewFrame();
    ImGui::NewFrame();
    workbench.draw();
    ImGui::Render();
    gui.paint(screen);
    save_wanted(session, workbench);
    gui.make_current();
    screen.canvas().copy_to_window();
    glfwSwapBuffers(window.get());
  }
  settings.recent = workbench.recent;
  write_settings(folder, settings);
}

void fail_without_trace(const Session& session, const std::vector<std::string>& messages) {
  if (session.has_trace()) return;
  if (!messages.empty()) throw WindowError(messages.front());
  const std::string missing = session.missing_trace();
  throw WindowError(missing.empty() ? "nothing to show: give a trace" : missing);
}

FrameTimes run_headless(Session& session, const WindowOptions& options) {
  const auto begin = Clock::now();
  const HeadlessGl gl;
  GuiContext gui(options.theme.value_or(ThemeKind::light), 1);
  Screen screen;
  Workbench workbench(session);
  gui.dress(workbench.ui());
  workbench.ui().tabs = options.tabs;
  FrameTimes times;
  times.renderer = renderer_name();
  // First useful frame: the trace is there and the wave is drawn.
  while (true) {
    gui.build(options.width, options.height, [&] { workbench.draw(); });
    gui.paint(screen);
    finish_drawing();
    if (session.has_trace() && session.figure("wave").figure) break;
    if (!session.busy()) fail_without_trace(session, workbench.messages());
  }
  times.first_ms = milliseconds_since(begin);
  session.wait();
  const std::uint32_t n = session.trace().n_steps();
  std::vector<double> frames, builds, whole;
  const auto draw = [&](int i, bool all) {
    workbench.ui().go_to(
        static_cast<std::uint32_t>((static_cast<std::uint64_t>(i) * 7919) % std::max(1U, n)));  // scrubbing
    if (all) screen.forget();
    const auto frame = Clock::now();
    gui.build(options.width, options.height, [&] { workbench.draw(); });
    const double built = milliseconds_since(frame);
    gui.paint(screen);
    finish_drawing();
    if (all) {
      whole.push_back(milliseconds_since(frame));
    } else {
      builds.push_back(built);
      frames.push_back(milliseconds_since(frame));
    }
  };
  for (int i = 0; i < std::max(1, options.frames); ++i) draw(i, false);
  for (int i = 0; i < kWholeFrames; ++i) draw(i, true);
  for (std::vector<double>* times_of : {&frames, &builds, &whole}) std::sort(times_of->begin(), times_of->end());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  times.peak_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  times.median_ms = frames[frames.size() / 2];
  times.build_ms = builds[builds.size() / 2];
  times.whole_ms = whole[whole.size() / 2];
  times.slowest_tenth_ms = frames[frames.size() * 9 / 10];
  return times;
}

}  // namespace kvwave::viewer
