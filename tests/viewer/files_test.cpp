// Opening files in the window: menu, dialog, recent files, drag and drop; and what a wrong file does there.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/viewer/window_bench.h"

namespace kvwave::viewer {
namespace {

namespace fs = std::filesystem;

// A path as one item of a reference, in which a bare slash parts items.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '/' ? "\\/" : std::string(1, c);
  return out;
}

const std::string& text_of(ImGuiTestContext* robot) {
  return *static_cast<std::string*>(robot->Test->UserData);
}

TEST(Files, open_takes_a_typed_path) {
  Bench bench(ThemeKind::light, false);
  std::string path = small_results().trace.string();
  bench.act(
      [](ImGuiTestContext* robot) {
        robot->MenuClick("//##MainMenuBar/File/Open...");
        robot->SetRef("//Open");
        robot->ItemInputValue("##path", text_of(robot).c_str());
      },
      &path);
  ASSERT_TRUE(bench.session().has_trace());
  EXPECT_EQ(bench.session().trace().name(), "small.h5");
  EXPECT_EQ(bench.workbench().recent.front(), path);
}

TEST(Files, open_shows_the_folder_and_takes_a_click) {
  const fs::path before = fs::current_path();
  fs::current_path(small_results().trace.parent_path());
  Bench bench(ThemeKind::light, false);
  bench.act([](ImGuiTestContext* robot) {
    robot->KeyPress(ImGuiMod_Ctrl | ImGuiKey_O);
    robot->Yield(2);
    robot->ItemClick("//Open/**/small.h5");
  });
  fs::current_path(before);
  ASSERT_TRUE(bench.session().has_trace());
  EXPECT_EQ(bench.session().trace().name(), "small.h5");
}

TEST(Files, a_recent_trace_takes_the_place_of_the_one_shown) {
  const TemporaryFolder folder;
  const std::string other = (folder / "other.h5").string();
  replay::SyntheticOptions options;
  options.n_positions = 90;
  replay::write_synthetic(other, options);
  Bench bench;
  bench.workbench().remember(other);
  std::string item = "//##MainMenuBar/File/Recent/" + escaped(other);
  bench.act([](ImGuiTestContext* robot) { robot->MenuClick(text_of(robot).c_str()); }, &item);
  EXPECT_EQ(bench.session().trace().name(), "other.h5");
  EXPECT_EQ(bench.session().traces().size(), 1U);
  EXPECT_FALSE(bench.session().has_results()) << "they are of small.h5";
  EXPECT_EQ(bench.workbench().recent.front(), other);
}

TEST(Files, a_wrong_file_leaves_what_is_open) {
  const TemporaryFolder folder;
  const std::string notes = (folder / "notes.txt").string();
  std::ofstream(notes) << "nothing of ours";
  Bench bench;
  bench.workbench().open_files({notes}, Session::Beside::no);
  bench.frames(3);
  EXPECT_EQ(bench.session().trace().name(), "small.h5");
  EXPECT_TRUE(bench.session().has_results());
  bench.act([](ImGuiTestContext* robot) { robot->ItemClick("//bar/dismiss"); });  // the line that says why
}

TEST(Files, dropped_files_are_opened_in_any_order) {
  Bench bench(ThemeKind::light, false);
  const std::string results = small_results().results.string(), trace = small_results().trace.string();
  const std::array paths = {results.c_str(), trace.c_str()};
  bench.workbench().drop(2, paths.data());
  bench.frames(3);
  ASSERT_TRUE(bench.session().has_trace());
  EXPECT_TRUE(bench.session().has_results());
  EXPECT_EQ(bench.workbench().recent.size(), 2U);
  bench.workbench().drop(0, nullptr);
  bench.frames(1);
  EXPECT_EQ(bench.workbench().recent.size(), 2U);
}

TEST(Files, a_dropped_trace_is_overlaid_and_can_be_shown_instead) {
  const TemporaryFolder folder;
  const std::string other = (folder / "other.h5").string();
  replay::SyntheticOptions options;
  options.n_positions = 90;
  replay::write_synthetic(other, options);
  Bench bench;
  const char* path = other.c_str();
  bench.workbench().drop(1, &path);
  bench.frames(3);
  EXPECT_EQ(bench.session().trace().name(), "small.h5");
  ASSERT_EQ(bench.session().traces().size(), 2U);
  bench.session().figure("wave");
  bench.session().wait();
  const auto wave = bench.session().figure("wave").figure;
  EXPECT_TRUE(
      std::any_of(wave->series.begin(), wave->series.end(), [](const Series& s) { return s.name == "other.h5"; }));
  bench.act([](ImGuiTestContext* robot) { robot->MenuClick("//##MainMenuBar/File/Shown trace/other.h5##1"); });
  EXPECT_EQ(bench.session().trace().name(), "other.h5");
  EXPECT_FALSE(bench.session().has_results());
  bench.act([](ImGuiTestContext* robot) { robot->MenuClick("//##MainMenuBar/File/Shown trace/small.h5##1"); });
  EXPECT_EQ(bench.session().trace().name(), "small.h5");
  EXPECT_TRUE(bench.session().has_results());
}

TEST(Files, save_figure_asks_for_a_folder) {
  const TemporaryFolder folder;
  Bench bench;
  std::string out = (folder / "figures").string();
  bench.act(
      [](ImGuiTestContext* robot) {
        robot->MenuClick("//##MainMenuBar/File/Save figure/wave");
        robot->Yield(2);
        robot->SetRef("//Save figure");
        robot->ItemInputValue("##folder", text_of(robot).c_str());
      },
      &out);
  ASSERT_TRUE(bench.workbench().save_folder);
  EXPECT_EQ(*bench.workbench().save_folder, fs::path(out));
  EXPECT_EQ(bench.workbench().ui().save_figure, "wave");
}

}  // namespace
}  // namespace kvwave::viewer
