// The real workbench, drawn without a display: the Dear ImGui Test Engine presses its buttons and reads what changed.
#include <imgui_internal.h>
#include <imgui_te_context.h>
#include <imgui_te_engine.h>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/viewer/small_results.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/workbench.h"

namespace kvwave::viewer {
namespace {

/// A workbench with the small trace and its results open, and a robot before it.
class Bench {
 public:
  explicit Bench(ThemeKind theme = ThemeKind::light, bool open = true)
      : gui_(theme, 1), canvas_(960, 640), workbench_(session_) {
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

  void frames(int n) {
    for (int i = 0; i < n; ++i) {
      if (workbench_.wanted_theme) {
        gui_.set_theme(*workbench_.wanted_theme, 1);
        workbench_.wanted_theme.reset();
      }
      gui_.dress(workbench_.ui());
      gui_.render(canvas_, [&] { workbench_.draw(); });
      ImGuiTestEngine_PostSwap(engine_.engine);
      session_.wait();
    }
  }

  /// Runs `steps` as the robot; fails the test when one of them cannot be done.
  void act(void (*steps)(ImGuiTestContext*)) {
    ImGuiTest* test = IM_REGISTER_TEST(engine_.engine, "viewer", "steps");
    test->TestFunc = steps;
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
  GlCanvas canvas_;
  Workbench workbench_;
};

TEST(Window, keys_scrub_and_choose_layer_and_head) {
  Bench bench;
  const std::uint32_t last = bench.session().trace().n_steps() - 1;
  EXPECT_EQ(bench.view().step, last);
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiKey_Home);
    robot->KeyPress(ImGuiKey_RightArrow, 3);
    robot->KeyPress(ImGuiMod_Shift | ImGuiKey_RightArrow);
    robot->KeyPress(ImGuiKey_UpArrow);
    robot->KeyPress(ImGuiKey_RightBracket, 2);
  });
  EXPECT_EQ(bench.view().step, 13U);
  EXPECT_EQ(bench.view().selection.layer, 1U);
  EXPECT_EQ(bench.view().selection.q_head, 2U);
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiMod_Ctrl | ImGuiKey_Z, 2);
    robot->KeyPress(ImGuiKey_End);
  });
  EXPECT_EQ(bench.view().selection.q_head, 0U);
  EXPECT_EQ(bench.view().selection.layer, 1U);
  EXPECT_EQ(bench.view().step, last);
}

TEST(Window, buttons_step_and_play) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    robot->SetRef("bar");
    robot->ItemClick("|<");
    robot->ItemClick(">");
    robot->ItemClick(">");
  });
  EXPECT_EQ(bench.view().step, 2U);
  bench.act([](ImGuiTestContext* robot) {
    robot->SetRef("bar");
    robot->ItemClick("Play");
  });
  EXPECT_TRUE(bench.workbench().playing);
  bench.frames(60);
  EXPECT_GT(bench.view().step, 10U);
}

TEST(Window, a_and_b_swap_by_a_key) {
  Bench bench;
  const Selection before = bench.view().selection;
  EXPECT_NE(before.a, before.b);
  bench.act([](ImGuiTestContext* robot) { robot->KeyPress(ImGuiKey_X); });
  EXPECT_EQ(bench.view().selection.a, before.b);
  EXPECT_EQ(bench.view().selection.b, before.a);
}

TEST(Window, a_click_into_the_wave_selects_a_layer) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    const ImGuiWindow* window = robot->GetWindowByRef("//Reasoning Wave");
    const ImVec2 size = window->Size;
    robot->MouseMoveToPos(ImVec2(window->Pos.x + size.x * 0.93F, window->Pos.y + size.y * 0.6F));
    robot->MouseClick();
  });
  EXPECT_EQ(bench.view().selection.layer, 2U) << "the last of three layers lies at the right edge";
}

TEST(Window, every_tab_of_every_panel_draws_in_both_themes) {
  for (const ThemeKind theme : {ThemeKind::light, ThemeKind::dark}) {
    Bench bench(theme);
    for (int tab = 0; tab < 4; ++tab) {
      bench.workbench().ui().tabs = {.wave = tab % 2,
                                     .heads = tab % 3,
                                     .attention = tab % 2,
                                     .tokens = tab % 2,
                                     .compare = tab,
                                     .ledger = tab % 2};
      bench.frames(3);
      EXPECT_TRUE(bench.session().take_messages().empty());
    }
  }
}

TEST(Window, theme_layout_and_help_answer_keys_and_menus) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiKey_T);
    robot->MenuClick("//##MainMenuBar/View/Reset layout");
    robot->KeyPress(ImGuiMod_Shift | ImGuiKey_Slash);
    robot->Yield(2);
    robot->WindowClose("//Shortcuts");
  });
  EXPECT_EQ(bench.workbench().ui().theme.kind, ThemeKind::dark);
}

TEST(Window, panels_close_and_come_back_by_their_key) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    robot->WindowClose("//Compare");
    robot->Yield(2);
    robot->KeyPress(ImGuiKey_5);
  });
  const ImGuiWindow* window = ImGui::FindWindowByName("Compare");
  ASSERT_NE(window, nullptr);
  EXPECT_TRUE(window->WasActive);
}

TEST(Window, without_a_trace_it_says_what_to_do) {
  Bench bench(ThemeKind::light, false);
  EXPECT_FALSE(bench.session().has_trace());
  bench.workbench().open_files({"/nowhere/absent.h5"});
  bench.frames(3);
  EXPECT_FALSE(bench.session().has_trace());
  EXPECT_EQ(bench.workbench().recent.front(), "/nowhere/absent.h5");
}

TEST(Window, survives_every_size_down_to_one_pixel) {
  const HeadlessGl gl;
  Session session;
  session.open(small_results().trace);
  session.open(small_results().results);
  session.wait();
  GuiContext gui(ThemeKind::light, 1);
  for (const auto& [width, height] : {std::pair{1, 1}, {40, 900}, {900, 40}, {320, 200}, {2560, 1440}}) {
    const GlCanvas canvas(width, height);
    Workbench workbench(session);
    for (int i = 0; i < 3; ++i) {
      gui.dress(workbench.ui());
      gui.render(canvas, [&] { workbench.draw(); });
      session.wait();
    }
  }
}

}  // namespace
}  // namespace kvwave::viewer
