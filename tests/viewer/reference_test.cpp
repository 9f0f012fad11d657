// Exported pictures against small ones in pictures/, each of which somebody looked at before it went there. To make new
// ones: KVWAVE_WRITE_PICTURES=FOLDER viewer_window_tests --gtest_filter='Reference.*', look at them, copy them.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/viewer/picture.h"
#include "tests/viewer/small_results.h"
#include "viewer/app/export.h"
#include "viewer/app/gui_context.h"
#include "viewer/app/headless_gl.h"
#include "viewer/app/png_file.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 480, kHeight = 300;

fs::path reference(const std::string& stem) {
  return fs::path(KVWAVE_SOURCE_DIR) / "tests/viewer/pictures" / (stem + ".png");
}

// 32 levels a channel: a quarter of the size, and less than the comparison tells apart.
std::vector<std::uint8_t> in_fewer_colours(std::vector<std::uint8_t> rgb) {
  for (std::uint8_t& channel : rgb) channel = static_cast<std::uint8_t>((channel * 31 + 127) / 255 * 255 / 31);
  return rgb;
}

/// One picture of the set: a figure of the small trace in some view.
struct Case {
  const char* stem;
  const char* figure;
  ThemeKind theme;
  std::function<void(ViewState&)> view;
  int width = kWidth, height = kHeight;
};

const std::vector<Case>& cases() {
  constexpr ThemeKind kLight = ThemeKind::light, kDark = ThemeKind::dark;
  static const std::vector<Case> all = {
      {"wave", "wave", kLight, [](ViewState&) {}},
      {"wave-time", "wave-time", kDark, [](ViewState&) {}},
      {"heads-all", "heads-all", kLight, [](ViewState& v) { v.value = HeadValue::demand; }},
      {"heads-difference", "heads-all", kLight,
       [](ViewState& v) { v.value = HeadValue::retained_mass, v.compared = Compared::difference; }},
      {"heads-layers", "heads-layers", kDark, [](ViewState& v) { v.value = HeadValue::budget; }},
      {"attention-row", "attention-row", kLight, [](ViewState&) {}},
      {"attention-map", "attention-map", kLight, [](ViewState&) {}, 350, 240},  // all noise: larger in bytes
      {"residency", "residency", kLight, [](ViewState&) {}},
      {"tokens", "tokens", kLight, [](ViewState&) {}},
      {"compare", "compare", kLight, [](ViewState&) {}},
      {"compare-minus-b", "compare", kDark, [](ViewState& v) { v.minus_b = true; }},
      {"compare-layers", "compare-layers", kLight, [](ViewState&) {}},
      {"compare-steps", "compare-steps", kDark, [](ViewState&) {}},
      {"ledger", "ledger", kLight, [](ViewState&) {}},
  };
  return all;
}

class Reference : public testing::Test {
 protected:
  void SetUp() override {
    open_small_results(session);
    ASSERT_TRUE(session.has_results());
    start = session.view();
    start.step = 100;
    start.selection.layer = 1;
    start.selection.q_head = 2;
    start.selection.position = 30;
  }
  Picture exported(const Case& one) {
    ViewState view = start;
    one.view(view);
    session.set_view(view);
    const TemporaryFolder folder;
    ExportOptions options;
    options.folder = folder / "out";
    options.panels = {one.figure};
    options.theme = one.theme;
    options.width = one.width, options.height = one.height;
    export_figures(session, options);
    return read_png(folder / "out" / (std::string(one.figure) + ".png"));
  }
  /// The figure of a case, changed, drawn as the export draws it.
  Picture changed(const Case& one, const std::function<void(Figure&)>& change) {
    ViewState view = start;
    one.view(view);
    session.set_view(view);
    session.figure(one.figure);
    session.wait();
    Figure figure = *session.figure(one.figure).figure;
    change(figure);
    std::unique_ptr<GuiContext>& kept = guis[one.theme == ThemeKind::light ? 0 : 1];
    if (!kept) kept = std::make_unique<GuiContext>(one.theme, 1.0F);
    GuiContext& gui = *kept;
    Ui ui(session);
    gui.dress(ui);
    const GlCanvas canvas(one.width, one.height);
    for (int i = 0; i < 3; ++i) {
      gui.build(one.width, one.height,
                [&] { draw_picture(ui, [&](ImVec2 room) { draw_plot_figure(ui, figure, 1, room); }); });
    }
    gui.paint(canvas);
    return {canvas.pixels(), one.width, one.height};
  }
  static const Case& find(const std::string& stem) {
    for (const Case& one : cases()) {
      if (one.stem == stem) return one;
    }
    throw std::invalid_argument(stem);
  }

  HeadlessGl gl;
  std::array<std::unique_ptr<GuiContext>, 2> guis;  // light, dark
  Session session;
  ViewState start;
};

TEST_F(Reference, exported_pictures_show_what_they_showed) {
  const char* write_to = std::getenv("KVWAVE_WRITE_PICTURES");
  for (const Case& one : cases()) {
    const Picture now = exported(one);
    if (write_to != nullptr) {
      const std::vector<std::uint8_t> fewer = in_fewer_colours(now.rgb);
      write_png(fs::path(write_to) / (std::string(one.stem) + ".png"), fewer, now.width, now.height, true);
      continue;
    }
    ASSERT_TRUE(fs::exists(reference(one.stem))) << reference(one.stem);
    EXPECT_LE(fs::file_size(reference(one.stem)), 32'000U) << one.stem;
    const Difference found = difference(read_png(reference(one.stem)), now);
    if (found.same_picture()) continue;
    const fs::path kept = fs::path(testing::TempDir()) / (std::string("now-") + one.stem + ".png");
    write_png(kept, now.rgb, now.width, now.height, true);
    ADD_FAILURE() << one.stem << ": " << found.other << " of " << found.blocks << " blocks differ, at " << found.where
                  << "; drawn now: " << kept;
  }
}

TEST_F(Reference, an_unchanged_figure_is_the_same_picture) {
  for (const char* stem : {"wave", "heads-difference", "compare-minus-b"}) {
    const Difference found = difference(read_png(reference(stem)), changed(find(stem), [](Figure&) {}));
    EXPECT_TRUE(found.same_picture()) << stem << ": " << found.other << " blocks, at " << found.where;
  }
}

// What the comparison is for: each of these would be a broken picture, and must be told from a good one.
TEST_F(Reference, a_picture_without_one_of_its_parts_is_another_picture) {
  const auto broken = [&](const char* stem, const char* what, const std::function<void(Figure&)>& change) {
    const Difference found = difference(read_png(reference(stem)), changed(find(stem), change));
    EXPECT_FALSE(found.same_picture()) << stem << " " << what << ": only " << found.other << " blocks differ";
  };
  const std::string blank(1, ' ');
  for (const char* stem : {"wave", "compare", "compare-layers", "compare-steps"}) {
    broken(stem, "without a title", [&](Figure& f) { f.title = blank; });
    broken(stem, "without an axis label", [&](Figure& f) { f.x.label = blank; });
    std::size_t n = 0;
    changed(find(stem), [&](Figure& f) { n = f.series.size(); });
    for (std::size_t i = 0; i < n; ++i) {
      broken(stem, "without a curve", [&](Figure& f) { f.series.erase(f.series.begin() + static_cast<long>(i)); });
    }
  }
  broken("wave", "with A and B exchanged", [](Figure& f) {
    for (Series& series : f.series) {
      series.role = series.role == Role::a ? Role::b : series.role == Role::b ? Role::a : series.role;
    }
  });
  for (const char* stem : {"heads-all", "heads-difference", "residency", "attention-map", "wave-time"}) {
    broken(stem, "without values", [](Figure& f) { f.heatmap->values.reset(); });
    broken(stem, "with another scale", [](Figure& f) { f.heatmap->high *= 2; });
    broken(stem, "upside down", [](Figure& f) { f.y.inverted = !f.y.inverted; });
  }
}

TEST_F(Reference, a_missing_colour_bar_or_title_is_seen_in_the_pixels) {
  const Picture good = read_png(reference("heads-all"));
  Picture no_bar = good;
  no_bar.wipe(kWidth - 86, 0, kWidth, kHeight, 255);
  EXPECT_FALSE(difference(good, no_bar).same_picture());
  Picture no_title = good;
  no_title.wipe(0, 0, kWidth, 36, 255);
  EXPECT_FALSE(difference(good, no_title).same_picture());
}

TEST_F(Reference, what_another_rasteriser_may_change_is_no_difference) {
  const Picture good = read_png(reference("compare"));
  Picture nudged = good;
  for (std::size_t i = 0; i < nudged.rgb.size(); ++i) {  // every channel by up to two levels
    const int by = static_cast<int>(i * 2654435761U % 5) - 2;
    nudged.rgb[i] = static_cast<std::uint8_t>(std::clamp(nudged.rgb[i] + by, 0, 255));
  }
  EXPECT_TRUE(difference(good, nudged).same_picture());
}

}  // namespace
}  // namespace kvwave::viewer
