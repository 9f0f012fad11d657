// Figures as files: NAME.png, NAME.csv and NAME.json for documents and CI.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "viewer/app/theme.h"
#include "viewer/model/session.h"
#include "viewer/panels/ui.h"

namespace kvwave::viewer {

struct ExportOptions {
  std::filesystem::path folder;
  std::vector<std::string> panels;  ///< figure names, or "overview"; empty: everything
  int width = 1280, height = 800;
  float scale = 1;
  ThemeKind theme = ThemeKind::light;
  bool overwrite = false;
  PanelTabs tabs;  ///< of the overview
};

struct ExportReport {
  std::vector<std::filesystem::path> written;
  std::vector<std::string> left_out;  ///< "NAME: why"
};

/// Names that --panel accepts, in the order of export.
std::vector<std::string> export_names();

/// The whole picture as one window, with a margin; `content` draws into the room left.
void draw_picture(Ui& ui, const std::function<void(ImVec2)>& content);

/// Writes what can be made from the session's view; the head figures once for each value when nothing is chosen. Needs
/// a current OpenGL context. Throws WindowError, traces::OutputExists, traces::OutputFailed, and NotThere when a figure
/// that was asked for by name cannot be made.
ExportReport export_figures(Session& session, const ExportOptions& options);

}  // namespace kvwave::viewer
