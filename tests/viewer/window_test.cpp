// The real workbench, drawn without a display: the Dear ImGui Test Engine presses its buttons and reads what changed.
#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/viewer/window_bench.h"
#include "viewer/model/figures.h"

namespace kvwave::viewer {
namespace {

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
      bench.workbench().ui().tabs = tabs_of_round(tab);
      bench.frames(3);
      EXPECT_TRUE(bench.session().take_messages().empty());
    }
  }
}

TEST(Window, a_value_under_the_mouse_is_copied) {
  Bench bench;
  bench.workbench().ui().tabs.wave = 0;
  std::string copied;  // the robot has a clipboard of its own
  bench.act(
      [](ImGuiTestContext* robot) {
        const ImGuiWindow* window = robot->GetWindowByRef("//Reasoning Wave");
        robot->MouseMoveToPos(ImVec2(window->Pos.x + window->Size.x * 0.6F, window->Pos.y + window->Size.y * 0.6F));
        robot->KeyPress(ImGuiMod_Ctrl | ImGuiKey_C);
        robot->Yield(2);
        const char* text = ImGui::GetClipboardText();
        *static_cast<std::string*>(robot->Test->UserData) = text != nullptr ? text : "";
      },
      &copied);
  const auto wave = bench.session().figure("wave").figure;
  ASSERT_NE(wave, nullptr);
  EXPECT_TRUE(copied.starts_with("layer 1\n")) << copied;
  const auto mean = std::find_if(wave->series.begin(), wave->series.end(),
                                 [](const Series& s) { return s.name.starts_with("mean over"); });
  EXPECT_NE(copied.find(fmt::format("{}: {:.6g}", mean->name, mean->y[1])), std::string::npos) << copied;
  EXPECT_TRUE(bench.workbench().ui().status.starts_with("copied: layer 1"));
}

TEST(Window, a_plot_offers_its_value_and_its_file_in_a_menu) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    const ImGuiWindow* window = robot->GetWindowByRef("//Reasoning Wave");
    robot->MouseMoveToPos(ImVec2(window->Pos.x + window->Size.x * 0.6F, window->Pos.y + window->Size.y * 0.6F));
    robot->MouseClick(ImGuiMouseButton_Right);
    robot->Yield(2);
    robot->ItemClick("//$FOCUSED/Save picture, CSV and JSON...");
  });
  EXPECT_EQ(bench.workbench().ui().save_figure, "wave");
}

TEST(Window, menus_undo_and_redo_selections) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiKey_UpArrow, 2);
    robot->MenuClick("//##MainMenuBar/Edit/Undo selection");
  });
  EXPECT_EQ(bench.view().selection.layer, 1U);
  bench.act([](ImGuiTestContext* robot) { robot->MenuClick("//##MainMenuBar/Edit/Redo selection"); });
  EXPECT_EQ(bench.view().selection.layer, 2U);
}

TEST(Window, reset_layout_brings_moved_and_closed_panels_back) {
  Bench bench;
  const auto width = [] { return ImGui::FindWindowByName("Retained tokens")->Size.x; };
  const float before = width();
  bench.act([](ImGuiTestContext* robot) {
    robot->WindowClose("//Heads");
    robot->WindowClose("//Compare");
    robot->Yield(3);
  });
  EXPECT_GT(width(), before + 20) << "the room of the closed panels goes to the others";
  bench.act([](ImGuiTestContext* robot) { robot->MenuClick("//##MainMenuBar/View/Reset layout"); });
  EXPECT_NEAR(width(), before, 2);
  EXPECT_TRUE(ImGui::FindWindowByName("Heads")->WasActive);
}

TEST(Window, the_list_of_shortcuts_names_every_key_that_acts) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiMod_Shift | ImGuiKey_Slash);
    robot->Yield(3);
  });
  const ImGuiWindow* list = ImGui::FindWindowByName("Shortcuts");
  ASSERT_NE(list, nullptr);
  EXPECT_TRUE(list->WasActive);
  EXPECT_GT(list->Size.y, 200) << "a line for each";
  EXPECT_LT(list->Pos.y + list->Size.y, Bench::kHeight) << "and all of them on screen";
  bench.act([](ImGuiTestContext* robot) { robot->KeyPress(ImGuiMod_Shift | ImGuiKey_Slash); });
  EXPECT_FALSE(ImGui::FindWindowByName("Shortcuts")->WasActive);
}

TEST(Window, search_finds_text_across_tokens_and_selects_it) {
  Bench bench;
  const auto& pieces = bench.session().tokens()->piece;
  std::string wanted = pieces[40] + pieces[41];
  bench.act(
      [](ImGuiTestContext* robot) {
        robot->KeyPress(ImGuiMod_Ctrl | ImGuiKey_F);
        robot->Yield(3);
        robot->KeyCharsReplaceEnter(static_cast<std::string*>(robot->Test->UserData)->c_str());
      },
      &wanted);
  ASSERT_TRUE(bench.view().selection.position);
  const std::uint32_t at = *bench.view().selection.position;
  EXPECT_EQ(pieces[at] + pieces[at + 1], wanted);
}

TEST(Window, compare_shows_differences_and_the_steps_at_the_cursor) {
  Bench bench;
  bench.act([](ImGuiTestContext* robot) { robot->ItemClick("//Compare/minus B"); });
  EXPECT_TRUE(bench.view().minus_b);
  bench.workbench().ui().tabs.compare = 2;
  bench.frames(2);
  bench.act([](ImGuiTestContext* robot) { robot->ItemClick("//Compare/at cursor"); });
  EXPECT_TRUE(bench.view().at_cursor);
}

TEST(Window, the_name_of_a_line_lifts_it_and_a_click_there_chooses_it) {
  struct Lines {
    Bench& bench;
    std::string lifted = {}, a = {}, b = {};
    std::string name_of(std::uint32_t c) const { return line_name(bench.session().results().configuration(c)); }
  };
  Bench bench;
  Lines lines{bench};
  bench.act([](ImGuiTestContext* robot) { robot->WindowClose("//Heads"); });  // room for names
  bench.act(
      [](ImGuiTestContext* robot) {
        Lines& found = *static_cast<Lines*>(robot->Test->UserData);
        const ImGuiWindow* window = robot->GetWindowByRef("//Compare");
        const std::string& lifted = found.bench.workbench().ui().plots["compare"].lifted;
        for (float y = window->Size.y * 0.25F; y < window->Size.y - 60; y += 5) {
          robot->MouseMoveToPos(ImVec2(window->Pos.x + window->Size.x - 40, window->Pos.y + y));
          robot->Yield(2);
          if (!lifted.empty()) break;
        }
        found.lifted = lifted;
        robot->MouseClick();
        robot->Yield(2);
        found.a = found.name_of(found.bench.view().selection.a);
        robot->KeyDown(ImGuiMod_Shift);
        robot->MouseClick();
        robot->KeyUp(ImGuiMod_Shift);
        robot->Yield(2);
        found.b = found.name_of(found.bench.view().selection.b);
      },
      &lines);
  ASSERT_NE(lines.lifted, "") << "no name was met on the way down";
  EXPECT_EQ(lines.a, lines.lifted);
  EXPECT_EQ(lines.b, lines.lifted);
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

}  // namespace
}  // namespace kvwave::viewer
