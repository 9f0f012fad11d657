#include "viewer/app/settings.h"

#include <cstdlib>
#include <exception>
#include <fstream>
#include <system_error>

#include <nlohmann/json.hpp>

#include "traces/error.h"
#include "traces/output_file.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostBytes = 1 << 16, kMostRecent = 10;

}  // namespace

std::filesystem::path settings_folder() {
  if (const char* config = std::getenv("XDG_CONFIG_HOME"); config != nullptr && *config != '\0') {
    return std::filesystem::path(config) / "kvwave";
  }
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? std::filesystem::path(home) / ".config" / "kvwave"
                                          : std::filesystem::path();
}

Settings read_settings(const std::filesystem::path& folder) {
  Settings settings;
  std::ifstream file(folder / "viewer.json", std::ios::binary);
  std::string text(kMostBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return settings;
  if (json.value("theme", nlohmann::json()) == "dark") settings.theme = ThemeKind::dark;
  const auto recent = json.find("recent");
  if (recent == json.end() || !recent->is_array()) return settings;
  for (const auto& path : *recent) {
    if (path.is_string() && settings.recent.size() < kMostRecent) settings.recent.push_back(path.get<std::string>());
  }
  return settings;
}

void write_settings(const std::filesystem::path& folder, const Settings& settings) {
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const nlohmann::ordered_json json = {{"theme", settings.theme == ThemeKind::dark ? "dark" : "light"},
                                       {"recent", settings.recent}};
  try {
    traces::write_text_file(folder / "viewer.json",
                            json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n", true);
  } catch (const traces::Error&) {
    return;
  }
}

}  // namespace kvwave::viewer
