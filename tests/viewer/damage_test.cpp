// Painting what changed must give the picture that painting everything gives, pixel by pixel.
#include "viewer/app/damage.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tests/viewer/window_bench.h"

namespace kvwave::viewer {
namespace {

std::size_t differing(const std::vector<std::uint8_t>& x, const std::vector<std::uint8_t>& y) {
  std::size_t n = x.size() == y.size() ? 0 : x.size() + y.size();
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) n += x[i] != y[i] ? 1 : 0;
  return n;
}

TEST(Damage, repainted_frames_are_those_painted_whole) {
  Bench bench;
  const auto check = [&](const char* after) {
    bench.frames(1);
    EXPECT_EQ(differing(bench.screen().canvas().pixels(), bench.drawn_whole()), 0U) << "after " << after;
  };
  check("opening");
  for (const std::uint32_t step : {0U, 1U, 77U, 3U}) {
    bench.workbench().ui().go_to(step);
    check("a moved cursor");
    check("a frame more");  // what was read in the background has arrived
  }
  bench.act([](ImGuiTestContext* robot) { robot->KeyPress(ImGuiKey_T); });
  check("another theme");
  bench.act([](ImGuiTestContext* robot) {
    robot->MouseMoveToPos(ImVec2(200, 250));  // a tooltip over a plot
    robot->SleepNoSkip(0.6F, 0.2F);
  });
  check("a tooltip");
  bench.act([](ImGuiTestContext* robot) { robot->KeyPress(ImGuiMod_Shift | ImGuiKey_Slash); });
  check("a window on top");
  bench.act([](ImGuiTestContext* robot) { robot->WindowClose("//Shortcuts"); });
  check("closing it");
  for (int tab = 0; tab < 4; ++tab) {
    bench.workbench().ui().tabs = tabs_of_round(tab);
    check("other tabs");
    check("a frame more");
  }
}

class DamageOfLists : public testing::Test {
 protected:
  // One list of filled rectangles on a picture of 320 x 200.
  std::vector<PixelRect> frame(const std::vector<std::pair<ImVec2, ImVec2>>& boxes) {
    ImDrawList list(ImGui::GetDrawListSharedData());
    list._ResetForNewFrame();
    list.PushClipRect(ImVec2(0, 0), ImVec2(320, 200));
    list.PushTexture(ImTextureRef(ImTextureID{1}));
    for (const auto& [low, high] : boxes) {
      list.PrimReserve(6, 4);
      list.PrimRect(low, high, IM_COL32_WHITE);
    }
    ImDrawData data;
    data.DisplaySize = ImVec2(320, 200);
    data.FramebufferScale = ImVec2(1, 1);
    data.CmdLists.push_back(&list);
    return damage.changed(data);
  }
  HeadlessGl gl;
  GuiContext gui{ThemeKind::light, 1};
  Damage damage;
};

TEST_F(DamageOfLists, nothing_changed_paints_nothing) {
  EXPECT_EQ(frame({{{10, 10}, {50, 20}}}).size(), 1U) << "the first frame is all new";
  EXPECT_TRUE(frame({{{10, 10}, {50, 20}}}).empty());
  damage.forget();
  EXPECT_EQ(frame({{{10, 10}, {50, 20}}}), (std::vector<PixelRect>{{0, 0, 320, 200}}));
}

TEST_F(DamageOfLists, what_moved_is_painted_where_it_was_and_where_it_is) {
  frame({{{0, 0}, {320, 200}}, {{34, 34}, {60, 60}}});
  const std::vector<PixelRect> rects = frame({{{0, 0}, {320, 200}}, {{226, 34}, {250, 60}}});
  EXPECT_EQ(rects, (std::vector<PixelRect>{{32, 32, 64, 64}, {224, 32, 256, 64}}));
}

TEST_F(DamageOfLists, order_counts) {
  const std::pair<ImVec2, ImVec2> x{{34, 34}, {60, 60}}, y{{40, 40}, {50, 55}};
  frame({x, y});
  EXPECT_EQ(frame({y, x}), (std::vector<PixelRect>{{32, 32, 64, 64}}));
}

}  // namespace
}  // namespace kvwave::viewer
