// The window's content: menu, panels in their docks, time bar, dialogs and shortcuts. Knows nothing of the window
// system, so that tests and pictures drive the same code.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "viewer/app/file_dialog.h"
#include "viewer/panels/ui.h"

namespace kvwave::viewer {

struct PanelEntry {
  const char* name;      ///< window title
  const char* question;  ///< what it answers, for the menu
  void (*draw)(Ui&);
};

/// Every panel, in the order of the keys 1 to 6.
std::span<const PanelEntry> panel_list();

class Workbench {
 public:
  explicit Workbench(Session& session);

  /// One frame: picks up finished work, handles keys, draws everything.
  void draw();

  Ui& ui() { return ui_; }
  /// About files that were opened, until the user dismisses them.
  const std::vector<std::string>& messages() const { return messages_; }
  bool playing = false;
  bool quit = false;
  bool reset_layout = false;
  std::optional<ThemeKind> wanted_theme;             ///< taken by whoever owns the fonts and styles
  std::vector<std::string> recent;                   ///< newest first
  std::optional<std::filesystem::path> save_folder;  ///< the figure ui().save_figure goes there
  void open_files(const std::vector<std::string>& paths, Session::Beside beside = Session::Beside::yes);
  /// What a window system calls when files are dropped on the window.
  void drop(int n, const char* const* paths);
  void remember(const std::string& path);  ///< as the newest of the recent files

 private:
  void draw_menu();
  void draw_panels();
  void draw_status();
  void draw_help();
  void draw_save();
  void draw_welcome();
  void lay_out(ImGuiID dock, ImVec2 size);
  void ask_for_file(Session::Beside beside);
  void handle_keys();
  void play();

  Ui ui_;
  FileDialog open_dialog_;
  Session::Beside open_beside_ = Session::Beside::no;  ///< what the dialog was asked for
  std::vector<std::string> messages_;
  bool help_ = false, about_ = false;
  double play_rest_ = 0;
  float steps_per_second_ = 20;
  std::array<bool, 6> shown_ = {true, true, true, true, true, true};
  std::optional<std::size_t> focus_;
  std::string folder_ = "figures";
};

}  // namespace kvwave::viewer
