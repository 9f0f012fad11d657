// A small file chooser: folders, traces, results and profiles of one folder, and a line to type a path.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kvwave::viewer {

class FileDialog {
 public:
  void open();  ///< shows it from the next frame on
  /// Draws it when it is open; the chosen file once.
  std::optional<std::filesystem::path> draw(float scale);

 private:
  void read_folder();

  bool wanted_ = false;
  std::filesystem::path folder_;
  std::vector<std::filesystem::path> folders_, files_;
  std::string typed_, error_;
};

}  // namespace kvwave::viewer
