// What every panel is drawn with: the session it shows, theme, fonts, and what the frame remembers about plots.
#pragma once

#include <imgui.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "viewer/app/gl_canvas.h"
#include "viewer/app/theme.h"
#include "viewer/model/heat_raster.h"
#include "viewer/model/session.h"
#include "viewer/panels/panel_tabs.h"
#include "viewer/panels/token_layout.h"

namespace kvwave::viewer {

/// A heatmap's visible part on the GPU, re-made when figure, part or size change.
struct HeatTexture {
  GlTexture texture;
  const Pyramid* of = nullptr;
  std::uint64_t version = 0;
  ViewRect view;
  int width = 0, height = 0;
};

struct PlotMemory {
  std::unique_ptr<HeatTexture> heat;
  double x_low = 0, x_high = 0, y_low = 0, y_high = 0;  ///< the figure's full axes
  std::string menu_value;                               ///< what the open menu would copy
  std::string lifted;                                   ///< name of the line that the mouse is at
  bool reset = true;                                    ///< show the whole figure in the next frame
};

/// The text laid out for one width and size.
struct LaidOutText {
  std::shared_ptr<const TraceTokens> of;
  float width = 0, size = 0, height = 0;
  std::uint32_t shown = 0;  ///< tokens drawn in the last frame
  TokenLayout layout;
};

/// Mean demand of every step, behind the scrub bar.
struct Sparkline {
  std::uint64_t generation = 0;
  std::size_t rho = 0;
  std::vector<float> mean;
};

struct Ui {
  explicit Ui(Session& shown) : session(shown) {}

  Session& session;
  Theme theme;
  Fonts fonts;
  float scale = 1;
  bool exporting = false;  ///< a picture, not a window: no controls, full titles
  std::map<std::string, PlotMemory, std::less<>> plots;
  double step_low = 0, step_high = 0;  ///< time range that all plots over steps share; equal: not set yet
  PanelTabs tabs;
  LaidOutText text;
  Sparkline sparkline;
  /// Figure that the user wants to save; the app takes it.
  std::optional<std::string> save_figure;
  std::string status;  ///< the last thing copied or saved, shown in the bar
  std::string search;  ///< text searched for in the tokens
  bool focus_search = false;
  std::optional<std::uint32_t> scroll_to;  ///< position that the text panel should show

  const ViewState& view() const { return session.view(); }
  void set_view(ViewState view) { session.set_view(std::move(view)); }
  void select(const Selection& selection) {
    ViewState changed = view();
    changed.selection = selection;
    set_view(std::move(changed));
  }
  void go_to(std::uint32_t step) {
    ViewState changed = view();
    changed.step = step;
    set_view(std::move(changed));
  }
};

// The panels; each draws into the current window. One file each.
void wave_panel(Ui& ui);
void heads_panel(Ui& ui);
void attention_panel(Ui& ui);
void tokens_panel(Ui& ui);
void compare_panel(Ui& ui);
void ledger_panel(Ui& ui);
void timeline(Ui& ui, bool& playing);

/// The text of the tokens panel alone, for pictures.
void draw_tokens(Ui& ui, ImVec2 size);

}  // namespace kvwave::viewer
