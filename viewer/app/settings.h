// What is remembered per user: theme, recent files, and Dear ImGui's layout, in
// $XDG_CONFIG_HOME/kvwave (else ~/.config/kvwave).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "viewer/app/theme.h"

namespace kvwave::viewer {

struct Settings {
  ThemeKind theme = ThemeKind::light;
  std::vector<std::string> recent;
};

/// Empty when there is no home folder: then nothing is remembered.
std::filesystem::path settings_folder();
/// A missing or damaged file gives the defaults.
Settings read_settings(const std::filesystem::path& folder);
/// Failure is silent: forgetting a layout is no reason to trouble anyone.
void write_settings(const std::filesystem::path& folder, const Settings& settings);

}  // namespace kvwave::viewer
