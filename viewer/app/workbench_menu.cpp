// The menu bar and the windows that it opens.
#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "viewer/app/workbench.h"

namespace kvwave::viewer {
namespace {

struct Shortcut {
  const char* keys;
  const char* what;
};
constexpr std::array kShortcuts = {
    Shortcut{"Space", "play or pause"},
    Shortcut{"Left / Right", "one step back or on; with Shift 10"},
    Shortcut{"Home / End", "first or last step"},
    Shortcut{"Up / Down", "layer above or below"},
    Shortcut{"[ / ]", "q_head before or after"},
    Shortcut{"X", "swap A and B"},
    Shortcut{"D", "A, B, or their difference"},
    Shortcut{"L", "stay at the newest step of a growing trace"},
    Shortcut{"Ctrl+Z / Ctrl+Shift+Z", "undo or redo the selection"},
    Shortcut{"Ctrl+F", "search the text"},
    Shortcut{"Ctrl+O", "open a file"},
    Shortcut{"Ctrl+C", "over a plot or token: copy its value"},
    Shortcut{"1 ... 6", "bring a panel to the front"},
    Shortcut{"T", "light or dark"},
    Shortcut{"?", "this list"},
    Shortcut{"in a plot", "drag: move; wheel: zoom; right drag: zoom to the box"},
    Shortcut{"", "double click or R: whole plot; right click: copy, save"},
    Shortcut{"", "click: take cursor, layer, head or position from there"},
};

}  // namespace

void Workbench::draw_menu() {
  if (!ImGui::BeginMainMenuBar()) return;
  if (ImGui::BeginMenu("File")) {
    if (ImGui::MenuItem("Open...", "Ctrl+O")) ask_for_file(Session::Beside::no);
    ImGui::SetItemTooltip("a trace in place of what is open; results and profiles beside it");
    if (ImGui::MenuItem("Open beside...", nullptr, false, ui_.session.has_trace())) ask_for_file(Session::Beside::yes);
    ImGui::SetItemTooltip("another trace, overlaid in the wave; so do files dropped on the window");
    if (ImGui::BeginMenu("Recent", !recent.empty())) {
      const std::vector<std::string> listed = recent;
      for (const std::string& path : listed) {
        if (!ImGui::MenuItem(path.c_str())) continue;
        open_files({path}, Session::Beside::no);
      }
      ImGui::EndMenu();
    }
    if (ui_.session.traces().size() > 1 && ImGui::BeginMenu("Shown trace")) {
      for (std::size_t t = 0; t < ui_.session.traces().size(); ++t) {
        const std::string name = fmt::format("{}##{}", ui_.session.traces()[t].snapshot->name(), t);
        if (!ImGui::MenuItem(name.c_str(), nullptr, t == 0) || t == 0) continue;
        ui_.session.show_trace(t);
        break;
      }
      ImGui::EndMenu();
    }
    if (ImGui::BeginMenu("Save figure", ui_.session.has_trace())) {
      for (const FigureEntry& entry : figure_list()) {
        if (ImGui::MenuItem(std::string(entry.name).c_str())) ui_.save_figure = entry.name;
        ImGui::SetItemTooltip("%s", std::string(entry.summary).c_str());
      }
      ImGui::EndMenu();
    }
    ImGui::Separator();
    if (ImGui::MenuItem("Quit")) quit = true;
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("Edit")) {
    if (ImGui::MenuItem("Undo selection", "Ctrl+Z", false, ui_.session.history().can_undo())) ui_.session.undo();
    if (ImGui::MenuItem("Redo selection", "Ctrl+Shift+Z", false, ui_.session.history().can_redo())) ui_.session.redo();
    if (ImGui::MenuItem("Search the text", "Ctrl+F")) ui_.focus_search = true, focus_ = 3, ui_.tabs.tokens = 0;
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("View")) {
    for (std::size_t i = 0; i < panel_list().size(); ++i) {
      ImGui::MenuItem(panel_list()[i].name, std::to_string(i + 1).c_str(), &shown_[i]);
      ImGui::SetItemTooltip("%s", panel_list()[i].question);
    }
    ImGui::Separator();
    if (ImGui::MenuItem(ui_.theme.kind == ThemeKind::light ? "Dark theme" : "Light theme", "T")) {
      wanted_theme = ui_.theme.kind == ThemeKind::light ? ThemeKind::dark : ThemeKind::light;
    }
    if (ImGui::MenuItem("Reset layout")) reset_layout = true, shown_.fill(true);
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("Help")) {
    if (ImGui::MenuItem("Shortcuts", "?")) help_ = true;
    if (ImGui::MenuItem("About")) about_ = true;
    ImGui::EndMenu();
  }
  if (ui_.session.has_trace()) {
    const TraceSnapshot& trace = ui_.session.trace();
    const std::string text = fmt::format(
        "{}   {}{}", trace.info.model_name, trace.name(),
        ui_.session.has_results() ? "  +  " + ui_.session.results().cache->reader().path().filename().string() : "");
    const float live = trace.growing ? 50 * ui_.scale : 0;
    ImGui::SetCursorPosX(std::max(
        ImGui::GetCursorPosX(), ImGui::GetWindowWidth() - ImGui::CalcTextSize(text.c_str()).x - 12 * ui_.scale - live));
    ImGui::TextDisabled("%s", text.c_str());
    if (trace.growing) ImGui::TextColored(ui_.theme.accent, "live");
  }
  ImGui::EndMainMenuBar();
}

void Workbench::draw_save() {
  if (!ui_.save_figure || save_folder) return;
  ImGui::OpenPopup("Save figure");
  ImGui::SetNextWindowSize(ImVec2(420 * ui_.scale, 0), ImGuiCond_Always);
  bool open = true;
  if (!ImGui::BeginPopupModal("Save figure", &open, ImGuiWindowFlags_NoResize)) return;
  ImGui::TextWrapped("%s.png, .csv and .json into the folder", ui_.save_figure->c_str());
  std::array<char, 1024> line{};
  folder_.copy(line.data(), line.size() - 1);
  ImGui::SetNextItemWidth(-1);
  const bool entered = ImGui::InputText("##folder", line.data(), line.size(), ImGuiInputTextFlags_EnterReturnsTrue);
  folder_ = line.data();
  ImGui::TextDisabled("1280 x 800, in the theme on screen; existing files are replaced");
  if ((ImGui::Button("Save") || entered) && !folder_.empty()) save_folder = folder_;
  ImGui::SameLine();
  if (ImGui::Button("Cancel") || !open) ui_.save_figure.reset();
  if (save_folder || !ui_.save_figure) ImGui::CloseCurrentPopup();
  ImGui::EndPopup();
}

void Workbench::draw_help() {
  if (help_) {
    ImGui::SetNextWindowPos(ImGui::GetMainViewport()->GetCenter(), ImGuiCond_Appearing, ImVec2(0.5F, 0.5F));
    if (ImGui::Begin("Shortcuts", &help_,
                     ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoDocking | ImGuiWindowFlags_NoCollapse |
                         ImGuiWindowFlags_NoSavedSettings)) {
      if (ImGui::BeginTable("keys", 2, ImGuiTableFlags_SizingFixedFit)) {
        for (const Shortcut& shortcut : kShortcuts) {
          ImGui::TableNextRow();
          ImGui::TableSetColumnIndex(0);
          ImGui::TextColored(ui_.theme.accent, "%s", shortcut.keys);
          ImGui::TableSetColumnIndex(1);
          ImGui::TextUnformatted(shortcut.what);
        }
        ImGui::EndTable();
      }
    }
    ImGui::End();
  }
  if (about_) {
    ImGui::SetNextWindowPos(ImGui::GetMainViewport()->GetCenter(), ImGuiCond_Appearing, ImVec2(0.5F, 0.5F));
    if (ImGui::Begin("About", &about_,
                     ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoDocking | ImGuiWindowFlags_NoCollapse |
                         ImGuiWindowFlags_NoSavedSettings)) {
      ImGui::Text("kvwave viewer, drawn by %s", renderer_name());
      ImGui::TextDisabled("Dear ImGui and ImPlot (MIT), GLFW (zlib), fonts Roboto (Apache 2.0) and Inconsolata (OFL)");
    }
    ImGui::End();
  }
}

}  // namespace kvwave::viewer
