// Exported files: there, whole, of the size asked for, with ink where a plot belongs, and the same every time.
#include "tests/viewer/picture.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/viewer/small_results.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "viewer/app/export.h"
#include "viewer/app/gl_canvas.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/view_command.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int view(std::vector<std::string> args) {
  args.insert(args.begin(), {small_results().trace.string(), small_results().results.string()});
  testing::internal::CaptureStdout();
  try {
    const int code = view_command(args);
    testing::internal::GetCapturedStdout();
    return code;
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
}

TEST(Export, writes_every_figure_as_picture_numbers_and_words) {
  const TemporaryFolder folder;
  EXPECT_EQ(view({"--export", (folder / "all").string(), "--size", "640x400"}), 0);
  std::size_t pictures = 0;
  for (const auto& entry : fs::directory_iterator(folder / "all")) {
    if (entry.path().extension() != ".png") continue;
    ++pictures;
    const std::string png = content_of(entry.path());
    ASSERT_GE(png.size(), 24U);
    EXPECT_EQ(png.substr(1, 3), "PNG");
    const auto big_endian = [&](std::size_t at) {
      return static_cast<unsigned char>(png[at + 2]) * 256 + static_cast<unsigned char>(png[at + 3]);
    };
    EXPECT_EQ(big_endian(16), 640) << entry.path();
    EXPECT_EQ(big_endian(20), 400) << entry.path();
    if (entry.path().stem() == "overview") continue;
    EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension(".csv"))) << entry.path();
    EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension(".json"))) << entry.path();
  }
  EXPECT_GE(pictures, figure_list().size());
}

TEST(Export, equal_calls_write_equal_bytes) {
  const TemporaryFolder folder;
  for (const char* run : {"one", "two"}) {
    view({"--export", (folder / run).string(), "--panel", "heads-all", "--panel", "wave", "--size", "500x300", "--step",
          "40"});
  }
  for (const char* name : {"heads-all.png", "heads-all.csv", "wave.png", "wave.csv", "wave.json"}) {
    EXPECT_EQ(content_of(folder / "one" / name), content_of(folder / "two" / name)) << name;
  }
}

TEST(Export, refuses_to_replace_and_names_what_it_does_not_know) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  view({"--export", out, "--panel", "wave", "--size", "300x200"});
  EXPECT_THROW(view({"--export", out, "--panel", "wave", "--size", "300x200"}), traces::OutputExists);
  EXPECT_EQ(view({"--export", out, "--panel", "wave", "--size", "300x200", "-f"}), 0);
  const auto usage_error = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"--export", out});
    try {
      view(args);
    } catch (const traces::UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(usage_error({"--panel", "wavs"}).find("did you mean 'wave'"), std::string::npos);
  for (const char* size : {"12", "10x10", "axb", "640x400x3", "", "640x"}) {
    const std::string error = usage_error({"--size", size});
    EXPECT_NE(error.find("WIDTHxHEIGHT"), std::string::npos) << error;
    EXPECT_NE(error.find("'" + std::string(size) + "'"), std::string::npos) << error;
  }
  EXPECT_NE(usage_error({"--theme", "blue"}).find("light or dark"), std::string::npos);
  for (const char* option : {"--step", "--layer", "--q-head", "--position"}) {
    const std::string error = usage_error({option, "9999"});
    EXPECT_NE(error.find(option), std::string::npos) << error;
    EXPECT_NE(error.find("small.h5 has"), std::string::npos) << error;
  }
  for (const char* strategy : {"nobody@24", "uniform/rkv:buffer=16@", "uniform/rkv:buffer=16@x"}) {
    const std::string error = usage_error({"--a", strategy});
    EXPECT_NE(error.find("'" + std::string(strategy) + "'"), std::string::npos) << error;
    EXPECT_NE(error.find("budgets: 24, 40"), std::string::npos) << error;
    EXPECT_NE(error.find("reasonalloc/rkv:buffer=16"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
  EXPECT_NE(usage_error({"--rho", "0.123"}).find("--rho"), std::string::npos);
}

TEST(Export, refuses_a_second_results_file_instead_of_leaving_one_out) {
  const TemporaryFolder folder;
  const auto second = folder / "second.h5";
  std::filesystem::copy_file(small_results().results, second);
  const std::string first = small_results().results.string();
  const std::vector<std::string> args{small_results().trace.string(), first, second.string(), "--export",
                                      (folder / "out").string()};
  try {
    view_command(args);
    FAIL() << "two results files were taken";
  } catch (const traces::UsageError& error) {
    EXPECT_EQ(std::string(error.what()), "expected one results file, got " + first + " and " + second.string());
  }
}

TEST(Export, without_a_trace_says_which_is_missing) {
  const TemporaryFolder folder;
  const auto failure = [&](const std::vector<std::string>& args) {
    try {
      view_command(args);
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string results = small_results().results.string(), absent = (folder / "absent.h5").string();
  for (const std::vector<std::string>& how : {std::vector<std::string>{"--export", (folder / "out").string()},
                                              std::vector<std::string>{"--measure", "--frames", "1"}}) {
    std::vector<std::string> args = how;
    EXPECT_EQ(failure(args), "nothing to show: give a trace");
    args.push_back(results);
    EXPECT_NE(failure(args).find("open the trace too"), std::string::npos) << failure(args);
    args.back() = absent;
    EXPECT_NE(failure(args).find("absent.h5: cannot be opened"), std::string::npos) << failure(args);
  }
  EXPECT_THROW(view_command(std::vector<std::string>{small_results().trace.string(), "--export", ""}),
               traces::UsageError);
}

Picture draw(Session& session, const char* name, ThemeKind theme) {
  GuiContext gui(theme, 1);
  const GlCanvas canvas(800, 500);
  Ui ui(session);
  gui.dress(ui);
  ui.exporting = true;
  for (int i = 0; i < 3; ++i) {
    gui.build(800, 500, [&] {
      ImGui::SetNextWindowPos(ImVec2(0, 0));
      ImGui::SetNextWindowSize(ImVec2(800, 500));
      ImGui::Begin("picture", nullptr, ImGuiWindowFlags_NoDecoration);
      draw_figure(ui, name, ImGui::GetContentRegionAvail());
      ImGui::End();
    });
    session.wait();
  }
  gui.paint(canvas);
  return {canvas.pixels(), 800, 500};
}

TEST(Picture, plots_have_title_axes_and_content_in_both_themes) {
  const HeadlessGl gl;
  Session session;
  open_small_results(session);
  for (const ThemeKind theme : {ThemeKind::light, ThemeKind::dark}) {
    for (const FigureEntry& entry : figure_list()) {
      const std::string name(entry.name);
      if (name == "tokens" || name == "ledger" || name == "run") continue;
      const Picture picture = draw(session, name.c_str(), theme);
      EXPECT_GT(picture.ink(0, 0, 0.5, 0.06), 0.02) << name << ": no title";
      EXPECT_GT(picture.ink(0.1, 0.88, 0.9, 1), 0.002) << name << ": no x axis";
      EXPECT_GT(picture.ink(0, 0.2, 0.1, 0.9), 0.002) << name << ": no y axis";
      EXPECT_GT(picture.ink(0.15, 0.25, 0.85, 0.85), 0.002) << name << ": empty plot";
      const int ground = theme == ThemeKind::light ? 255 : 0x1b;
      EXPECT_EQ(picture.at(795, 495)[0], ground) << name << ": ground of the wrong theme, or something at the edge";
    }
  }
}

TEST(Export, the_command_in_the_json_makes_the_picture_again) {
  const TemporaryFolder folder;
  view({"--export", (folder / "one").string(), "--panel", "compare-layers", "--size", "300x200", "--theme", "dark",
        "--step", "50", "--at-cursor", "--layer", "1"});
  const std::string json = content_of(folder / "one" / "compare-layers.json");
  const std::size_t at = json.find("\"command\": \"kvwave view ");
  ASSERT_NE(at, std::string::npos) << json;
  std::istringstream words(json.substr(at + 24, json.find('"', at + 24) - at - 24));
  std::vector<std::string> args;
  for (std::string word; words >> word;) args.push_back(word == "figures" ? (folder / "two").string() : word);
  testing::internal::CaptureStdout();
  EXPECT_EQ(view_command(args), 0);
  testing::internal::GetCapturedStdout();
  for (const char* ending : {".png", ".csv"}) {
    const std::string name = std::string("compare-layers") + ending;
    EXPECT_EQ(content_of(folder / "one" / name), content_of(folder / "two" / name)) << ending;
  }
}

TEST(Export, text_grows_with_the_scale) {
  const TemporaryFolder folder;
  view({"--export", (folder / "one").string(), "--panel", "wave", "--size", "400x260"});
  view({"--export", (folder / "two").string(), "--panel", "wave", "--size", "800x520", "--scale", "2"});
  const Picture one = read_png(folder / "one" / "wave.png"), two = read_png(folder / "two" / "wave.png");
  Picture halved{std::vector<std::uint8_t>(one.rgb.size()), one.width, one.height};
  for (int y = 0; y < one.height; ++y) {
    for (int x = 0; x < one.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        halved.at(x, y)[c] = static_cast<std::uint8_t>((two.at(2 * x, 2 * y)[c] + two.at(2 * x + 1, 2 * y)[c] +
                                                        two.at(2 * x, 2 * y + 1)[c] + two.at(2 * x + 1, 2 * y + 1)[c]) /
                                                       4);
      }
    }
  }
  const Difference found = difference(one, halved);
  EXPECT_LT(found.other, found.blocks / 4) << "the same picture in finer pixels, " << found.other << " blocks differ";
}

TEST(Export, the_overview_shows_the_figures_asked_for) {
  const TemporaryFolder folder;
  for (const char* shown : {"wave", "wave-time"}) {
    view({"--export", (folder / shown).string(), "--panel", "overview", "--size", "640x400", "--show", shown});
  }
  EXPECT_FALSE(difference(read_png(folder / "wave" / "overview.png"), read_png(folder / "wave-time" / "overview.png"))
                   .same_picture());
  EXPECT_THROW(view({"--export", (folder / "x").string(), "--show", "nothing"}), traces::UsageError);
}

TEST(Picture, a_canvas_reads_back_what_was_drawn) {
  const HeadlessGl gl;
  const GlCanvas canvas(8, 4);
  canvas.bind();
  clear(8, 4, 1, 0.5F, 0);
  const Picture picture{canvas.pixels(), 8, 4};
  ASSERT_EQ(picture.rgb.size(), 8U * 4 * 3);
  EXPECT_EQ(picture.at(0, 0)[0], 255);
  EXPECT_NEAR(picture.at(7, 3)[1], 128, 1);
  EXPECT_EQ(picture.ink(0, 0, 1, 1), 0);
}

}  // namespace
}  // namespace kvwave::viewer
