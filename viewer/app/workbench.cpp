#include "viewer/app/workbench.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <imgui_internal.h>
#include <system_error>

#include <fmt/format.h>

#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

constexpr std::array kPanels = {
    PanelEntry{"Reasoning Wave", "Where does the model need memory?", wave_panel},
    PanelEntry{"Heads", "Which head gets, holds and keeps how much?", heads_panel},
    PanelEntry{"Attention", "What does this head look at?", attention_panel},
    PanelEntry{"Retained tokens", "Which tokens are gone, and did it matter?", tokens_panel},
    PanelEntry{"Compare", "Which strategy loses least?", compare_panel},
    PanelEntry{"Ledger and run", "What memory did it take, and where is it from?", ledger_panel},
};

// Of the time bar with its line of words.
float bar_height() {
  const ImGuiStyle& style = ImGui::GetStyle();
  return ImGui::GetFrameHeight() + ImGui::GetTextLineHeight() + 2 * style.WindowPadding.y + style.ItemSpacing.y;
}

}  // namespace

std::span<const PanelEntry> panel_list() {
  return kPanels;
}

Workbench::Workbench(Session& session) : ui_(session) {}

void Workbench::open_files(const std::vector<std::string>& paths, Session::Beside beside) {
  for (const std::string& path : paths) {
    ui_.session.open(path, beside);
    remember(path);
  }
}

void Workbench::drop(int n, const char* const* paths) {
  if (n > 0 && paths != nullptr) open_files(std::vector<std::string>(paths, paths + n));
}

void Workbench::ask_for_file(Session::Beside beside) {
  open_beside_ = beside;
  open_dialog_.open();
}

void Workbench::remember(const std::string& path) {
  constexpr std::size_t kMost = 10;
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  const std::string one = error ? path : absolute.string();
  std::erase(recent, one);
  recent.insert(recent.begin(), one);
  if (recent.size() > kMost) recent.resize(kMost);
}

void Workbench::draw() {
  Session& session = ui_.session;
  session.poll();
  session.follow(std::chrono::steady_clock::now());
  for (std::string& message : session.take_messages()) messages_.push_back(std::move(message));
  draw_menu();
  handle_keys();
  play();
  if (session.has_trace()) {
    draw_panels();
    draw_status();
  } else {
    draw_welcome();
  }
  if (const auto chosen = open_dialog_.draw(ui_.scale)) open_files({chosen->string()}, open_beside_);
  draw_save();
  draw_help();
}

void Workbench::lay_out(ImGuiID dock, ImVec2 size) {
  ImGui::DockBuilderRemoveNode(dock);
  ImGui::DockBuilderAddNode(dock, ImGuiDockNodeFlags_DockSpace);
  ImGui::DockBuilderSetNodeSize(dock, size);
  ImGuiID left = 0, rest = 0, middle = 0, right = 0;
  ImGui::DockBuilderSplitNode(dock, ImGuiDir_Left, 0.35F, &left, &rest);
  ImGui::DockBuilderSplitNode(rest, ImGuiDir_Left, 0.51F, &middle, &right);
  const auto stack = [](ImGuiID node, const char* above, const char* below) {
    ImGuiID top = 0, bottom = 0;
    ImGui::DockBuilderSplitNode(node, ImGuiDir_Up, 0.5F, &top, &bottom);
    ImGui::DockBuilderDockWindow(above, top);
    ImGui::DockBuilderDockWindow(below, bottom);
  };
  stack(left, kPanels[0].name, kPanels[2].name);
  stack(middle, kPanels[1].name, kPanels[4].name);
  stack(right, kPanels[3].name, kPanels[5].name);
  ImGui::DockBuilderFinish(dock);
}

void Workbench::draw_panels() {
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  const ImVec2 size(viewport->WorkSize.x, std::max(1.0F, viewport->WorkSize.y - bar_height()));
  ImGui::SetNextWindowPos(viewport->WorkPos);
  ImGui::SetNextWindowSize(size);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0F);
  ImGui::Begin("dock", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoDocking |
                   ImGuiWindowFlags_NoBringToFrontOnFocus | ImGuiWindowFlags_NoNavFocus |
                   ImGuiWindowFlags_NoSavedSettings);
  ImGui::PopStyleVar(2);
  const ImGuiID dock = ImGui::GetID("panels");
  if (reset_layout || ImGui::DockBuilderGetNode(dock) == nullptr) lay_out(dock, size);
  reset_layout = false;
  ImGui::DockSpace(dock, ImVec2(0, 0), ImGuiDockNodeFlags_NoWindowMenuButton);
  ImGui::End();
  for (std::size_t i = 0; i < kPanels.size(); ++i) {
    if (!shown_[i]) continue;
    if (focus_ == i) ImGui::SetNextWindowFocus();
    ImGui::SetNextWindowSizeConstraints(ImVec2(120, 80), ImVec2(100000, 100000));
    if (ImGui::Begin(kPanels[i].name, &shown_[i],
                     ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse | ImGuiWindowFlags_NoCollapse)) {
      kPanels[i].draw(ui_);
    }
    ImGui::End();
  }
  focus_.reset();
}

void Workbench::draw_status() {
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  ImGui::SetNextWindowPos(
      ImVec2(viewport->WorkPos.x, viewport->WorkPos.y + std::max(1.0F, viewport->WorkSize.y - bar_height())));
  ImGui::SetNextWindowSize(ImVec2(viewport->WorkSize.x, bar_height()));
  ImGui::PushStyleColor(ImGuiCol_WindowBg, ui_.theme.background);
  ImGui::Begin("bar", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoDocking |
                   ImGuiWindowFlags_NoSavedSettings);
  ImGui::PopStyleColor();
  timeline(ui_, playing);
  const ViewState& view = ui_.view();
  const traces::ModelShape& shape = ui_.session.trace().info.shape;
  ImGui::PushFont(nullptr, kSmallSize);
  ImGui::TextDisabled("layer %u   q_head %u   kv_head %u%s", view.selection.layer, view.selection.q_head,
                      view.selection.q_head / shape.group(),
                      view.selection.position ? fmt::format("   position {}", *view.selection.position).c_str() : "");
  ImGui::SameLine(0, 24 * ui_.scale);
  if (!messages_.empty()) {
    ImGui::TextColored(ui_.theme.warning, "%s", messages_.back().c_str());
    if (messages_.size() > 1) ImGui::SetItemTooltip("%s", fmt::format("{}", fmt::join(messages_, "\n")).c_str());
    ImGui::SameLine();
    if (ImGui::SmallButton("dismiss")) messages_.clear();
  } else if (!ui_.status.empty()) {
    ImGui::TextDisabled("%s", ui_.status.substr(0, ui_.status.find('\n')).c_str());
  } else if (ui_.session.has_results()) {
    ImGui::TextDisabled("open-loop replay: the model never reacted to an eviction");
  }
  if (ui_.session.busy()) {
    ImGui::SameLine(ImGui::GetWindowWidth() - 80 * ui_.scale);
    ImGui::TextDisabled("reading ...");
  }
  ImGui::PopFont();
  ImGui::End();
}

void Workbench::draw_welcome() {
  const ImGuiViewport* viewport = ImGui::GetMainViewport();
  ImGui::SetNextWindowPos(viewport->WorkPos);
  ImGui::SetNextWindowSize(viewport->WorkSize);
  ImGui::Begin("welcome", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoDocking | ImGuiWindowFlags_NoSavedSettings);
  std::string text = ui_.session.busy() ? "reading ..." : "Drop a trace here, and its results; or File > Open (Ctrl+O)";
  if (const std::string missing = ui_.session.missing_trace(); !missing.empty()) text = missing;
  if (!messages_.empty()) text = messages_.back();
  draw_message(ui_, text, ImGui::GetContentRegionAvail());
  ImGui::End();
}

void Workbench::handle_keys() {
  const ImGuiIO& io = ImGui::GetIO();
  if (io.KeyCtrl) {
    if (ImGui::IsKeyPressed(ImGuiKey_O, false)) ask_for_file(Session::Beside::no);
    if (ImGui::IsKeyPressed(ImGuiKey_F, false)) ui_.focus_search = true, focus_ = 3, ui_.tabs.tokens = 0;
    if (io.WantTextInput) return;
    if (ImGui::IsKeyPressed(ImGuiKey_Z)) io.KeyShift ? ui_.session.redo() : ui_.session.undo();
    return;
  }
  if (io.WantTextInput || ImGui::IsPopupOpen(nullptr, ImGuiPopupFlags_AnyPopup)) return;
  if (ImGui::IsKeyPressed(ImGuiKey_Slash, false) && io.KeyShift) help_ = !help_;
  if (ImGui::IsKeyPressed(ImGuiKey_T, false))
    wanted_theme = ui_.theme.kind == ThemeKind::light ? ThemeKind::dark : ThemeKind::light;
  if (!ui_.session.has_trace()) return;
  ViewState view = ui_.view();
  const std::uint32_t stride = io.KeyShift ? 10 : 1;
  if (ImGui::IsKeyPressed(ImGuiKey_LeftArrow)) view.step = view.step > stride ? view.step - stride : 0;
  if (ImGui::IsKeyPressed(ImGuiKey_RightArrow)) view.step += stride;
  if (ImGui::IsKeyPressed(ImGuiKey_Home)) view.step = 0;
  if (ImGui::IsKeyPressed(ImGuiKey_End)) view.step = ui_.session.trace().n_steps();
  if (ImGui::IsKeyPressed(ImGuiKey_UpArrow)) ++view.selection.layer;
  if (ImGui::IsKeyPressed(ImGuiKey_DownArrow) && view.selection.layer > 0) --view.selection.layer;
  if (ImGui::IsKeyPressed(ImGuiKey_RightBracket)) ++view.selection.q_head;
  if (ImGui::IsKeyPressed(ImGuiKey_LeftBracket) && view.selection.q_head > 0) --view.selection.q_head;
  if (ImGui::IsKeyPressed(ImGuiKey_X, false)) std::swap(view.selection.a, view.selection.b);
  if (ImGui::IsKeyPressed(ImGuiKey_D, false))
    view.compared = static_cast<Compared>((static_cast<int>(view.compared) + 1) % 3);
  ui_.set_view(std::move(view));
  if (ImGui::IsKeyPressed(ImGuiKey_Space, false)) playing = !playing;
  if (ImGui::IsKeyPressed(ImGuiKey_L, false)) ui_.session.at_head = !ui_.session.at_head;
  for (std::size_t i = 0; i < kPanels.size(); ++i) {
    if (ImGui::IsKeyPressed(static_cast<ImGuiKey>(ImGuiKey_1 + static_cast<int>(i)), false))
      focus_ = i, shown_[i] = true;
  }
}

void Workbench::play() {
  if (!playing || !ui_.session.has_trace()) return;
  play_rest_ += ImGui::GetIO().DeltaTime * steps_per_second_;
  const double whole = std::floor(play_rest_);
  play_rest_ -= whole;
  const std::uint32_t last = ui_.session.trace().n_steps() > 0 ? ui_.session.trace().n_steps() - 1 : 0;
  const std::uint32_t step = ui_.view().step + static_cast<std::uint32_t>(whole);
  ui_.go_to(step);
  if (step >= last) playing = false;
}

}  // namespace kvwave::viewer
