// The interactive window: GLFW and OpenGL 3.3.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "viewer/app/theme.h"
#include "viewer/model/session.h"
#include "viewer/panels/panel_tabs.h"

namespace kvwave::viewer {

struct WindowOptions {
  int width = 1600, height = 1000;
  int frames = 0;                  ///< close after so many; 0: when the user closes it
  std::optional<ThemeKind> theme;  ///< else what is remembered
  std::vector<std::string> files;  ///< for the list of recent ones
  PanelTabs tabs;                  ///< in front when it opens
};

/// Throws WindowError when no trace is open: with the first of the messages about files, or with what is missing.
void fail_without_trace(const Session& session, const std::vector<std::string>& messages);

/// Runs until the window is closed. Throws WindowError without a display or OpenGL 3.3.
void run_window(Session& session, const WindowOptions& options);

/// The same frames without a window, as fast as they can be drawn; for measuring.
struct FrameTimes {
  double first_ms = 0;                         ///< from the call until the first frame with a trace in it was drawn
  double median_ms = 0, slowest_tenth_ms = 0;  ///< of frames in which the cursor moved
  double build_ms = 0;                         ///< of that until it was laid out, median
  double whole_ms = 0;                         ///< the same frames painted whole, median
  double peak_mb = 0;                          ///< most memory that the process held
  std::string renderer;
};
FrameTimes run_headless(Session& session, const WindowOptions& options);

}  // namespace kvwave::viewer
