// A workbench without a display and a robot before it, for tests of the window.
#pragma once

#include <imgui_internal.h>
#include <imgui_te_context.h>
#include <imgui_te_engine.h>
#include <string>

#include <gtest/gtest.h>

#include "tests/viewer/small_results.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/workbench.h"

namespace kvwave::viewer {

/// Tabs of every panel such that rounds 0 to 3 show each once at least.
inline PanelTabs tabs_of_round(int round) {
  return {.wave = round % 2,
          .heads = round % 3,
          .attention = round % 2,
          .tokens = round % 2,
          .compare = round,
          .ledger = round % 2};
}

/// With the small trace and its results open, unless told otherwise.
class Bench {
 public:
  static constexpr int kWidth = 960, kHeight = 640;

  explicit Bench(ThemeKind theme = ThemeKind::light, bool open = true) : gui_(theme, 1), workbench_(session_) {
    if (open) workbench_.open_files({small_results().trace.string(), small_results().results.string()});
    session_.wait();
    engine_.engine = ImGuiTestEngine_CreateContext();
    ImGuiTestEngineIO& io = ImGuiTestEngine_GetIO(engine_.engine);
    io.ConfigSavedSettings = false;
    io.ConfigRunSpeed = ImGuiTestRunSpeed_Fast;
    io.ConfigNoThrottle = true;
    io.ConfigLogToTTY = true;
    io.ConfigVerboseLevel = ImGuiTestVerboseLevel_Error;
    ImGuiTestEngine_Start(engine_.engine, ImGui::GetCurrentContext());
    frames(4);
  }
  ~Bench() { ImGuiTestEngine_Stop(engine_.engine); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Session& session() { return session_; }
  Workbench& workbench() { return workbench_; }
  const ViewState& view() const { return session_.view(); }
  const Screen& screen() const { return screen_; }

  void frames(int n) {
    for (int i = 0; i < n; ++i) {
      if (workbench_.wanted_theme) {
        gui_.set_theme(*workbench_.wanted_theme, 1);
        workbench_.wanted_theme.reset();
      }
      gui_.dress(workbench_.ui());
      gui_.build(kWidth, kHeight, [&] { workbench_.draw(); });
      gui_.paint(screen_);
      ImGuiTestEngine_PostSwap(engine_.engine);
      session_.wait();
    }
  }

  /// Pixels of the last frame, drawn whole instead of piece by piece.
  std::vector<std::uint8_t> drawn_whole() {
    const GlCanvas canvas(kWidth, kHeight);
    gui_.paint(canvas);
    return canvas.pixels();
  }

  /// Runs `steps` as the robot, which finds `data` as robot->Test->UserData; fails the test when one cannot be done.
  void act(void (*steps)(ImGuiTestContext*), void* data = nullptr) {
    ImGuiTest* test = IM_REGISTER_TEST(engine_.engine, "viewer", "steps");
    test->TestFunc = steps;
    test->UserData = data;
    ImGuiTestEngine_QueueTest(engine_.engine, test);
    for (int i = 0; i < 3000 && !ImGuiTestEngine_IsTestQueueEmpty(engine_.engine); ++i) frames(1);
    EXPECT_EQ(test->Output.Status, ImGuiTestStatus_Success);
    frames(2);
  }

 private:
  /// The engine outlives the context it was started on, so it stands before it.
  struct Engine {
    ImGuiTestEngine* engine = nullptr;
    Engine() = default;
    ~Engine() { ImGuiTestEngine_DestroyContext(engine); }
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
  };
  HeadlessGl gl_;
  Session session_;
  Engine engine_;
  GuiContext gui_;
  Screen screen_;
  Workbench workbench_;
};

}  // namespace kvwave::viewer
