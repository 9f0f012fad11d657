// The window with next to nothing to show, or next to no pixels to show it in.
#include <filesystem>
#include <utility>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/viewer/window_bench.h"

namespace kvwave::viewer {
namespace {

TEST(Window, traces_with_little_or_nothing_in_them_draw_in_every_tab) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options;
  options.shape = {.n_layers = 1, .n_q_heads = 1, .n_kv_heads = 1, .head_dim = 4};
  for (const std::uint32_t steps : {0U, 1U, 2U}) {
    options.n_positions = options.n_prompt + steps;
    replay::write_synthetic(folder / "tiny.h5", options);
    Bench bench(ThemeKind::light, false);
    bench.workbench().open_files({(folder / "tiny.h5").string()});
    for (int tab = 0; tab < 4; ++tab) {
      bench.workbench().ui().tabs = tabs_of_round(tab);
      bench.frames(3);
    }
    EXPECT_TRUE(bench.session().has_trace());
    std::filesystem::remove(folder / "tiny.h5");  // while it is open
    bench.act([](ImGuiTestContext* robot) { robot->KeyPress(ImGuiKey_End); });
    EXPECT_TRUE(bench.session().has_trace());
  }
}

TEST(Window, survives_every_size_down_to_one_pixel) {
  const HeadlessGl gl;
  Session session;
  open_small_results(session);
  GuiContext gui(ThemeKind::light, 1);
  gui.build(0, 0, [&] { Workbench(session).draw(); });  // a minimised window
  for (const auto& [width, height] : {std::pair{1, 1}, {40, 900}, {900, 40}, {320, 200}, {2560, 1440}}) {
    const GlCanvas canvas(width, height);
    Workbench workbench(session);
    for (int i = 0; i < 3; ++i) {
      gui.dress(workbench.ui());
      gui.build(width, height, [&] { workbench.draw(); });
      gui.paint(canvas);
      session.wait();
    }
  }
}

}  // namespace
}  // namespace kvwave::viewer
