// The time cursor's bar: play, step and scrub, with the run's mean demand behind it.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "viewer/panels/ui.h"

namespace kvwave::viewer {
namespace {

// Lowest to highest mean demand in every pixel column.
void draw_sparkline(Ui& ui, ImVec2 at, ImVec2 size) {
  const TraceSnapshot& trace = ui.session.trace();
  if (trace.layer_demand.empty() || trace.n_steps() == 0) return;
  Sparkline& line = ui.sparkline;
  std::vector<float>& mean = line.mean;
  if (line.generation != ui.session.generation() || line.rho != ui.view().rho || mean.size() != trace.n_steps()) {
    line.generation = ui.session.generation(), line.rho = ui.view().rho;
    mean.assign(trace.n_steps(), 0.0F);
    for (std::uint32_t s = 0; s < trace.n_steps(); ++s) {
      for (std::uint32_t l = 0; l < trace.info.shape.n_layers; ++l) mean[s] += trace.demand(s, l, line.rho);
    }
  }
  const float high = std::max(1e-6F, *std::max_element(mean.begin(), mean.end()));
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const auto n = static_cast<float>(mean.size());
  for (float x = 0; x < size.x; ++x) {
    const auto from = static_cast<std::size_t>(x / size.x * n);
    const auto to = std::max(from + 1, static_cast<std::size_t>((x + 1) / size.x * n));
    float top = 0;
    for (std::size_t s = from; s < std::min(to, mean.size()); ++s) top = std::max(top, mean[s]);
    draw->AddRectFilled(ImVec2(at.x + x, at.y + size.y * (1 - 0.9F * top / high)), ImVec2(at.x + x + 1, at.y + size.y),
                        packed(ui.theme.control, 0.35F));
  }
}

void scrub_bar(Ui& ui, ImVec2 size) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::InvisibleButton("scrub", size);
  const std::uint32_t n = ui.session.trace().n_steps();
  ImDrawList* draw = ImGui::GetWindowDrawList();
  draw->AddRectFilled(at, ImVec2(at.x + size.x, at.y + size.y), ImGui::GetColorU32(ImGuiCol_FrameBg), 3 * ui.scale);
  draw_sparkline(ui, at, size);
  const auto step_at = [&](float x) {
    return static_cast<std::uint32_t>(std::clamp((x - at.x) / size.x, 0.0F, 1.0F) * static_cast<float>(n - 1) + 0.5F);
  };
  if (ImGui::IsItemActive()) ui.go_to(step_at(ImGui::GetMousePos().x));
  if (ImGui::IsItemHovered() && !ImGui::IsItemActive())
    ImGui::SetTooltip("step %u: drag to scrub", step_at(ImGui::GetMousePos().x));
  const float x = at.x + size.x * (n > 1 ? static_cast<float>(ui.view().step) / static_cast<float>(n - 1) : 0);
  draw->AddLine(ImVec2(x, at.y), ImVec2(x, at.y + size.y), packed(ui.theme.accent), 2 * ui.scale);
  draw->AddCircleFilled(ImVec2(x, at.y + size.y / 2), 4.5F * ui.scale, packed(ui.theme.accent));
}

bool button(const char* label, const char* tip, float width) {
  const bool pressed = ImGui::Button(label, ImVec2(width, 0));
  ImGui::SetItemTooltip("%s", tip);
  return pressed;
}

}  // namespace

void timeline(Ui& ui, bool& playing) {
  const TraceSnapshot& trace = ui.session.trace();
  if (trace.n_steps() == 0) {
    ImGui::AlignTextToFramePadding();
    ImGui::TextDisabled("%s holds no decode step yet", trace.name().c_str());
    return;
  }
  const std::uint32_t step = ui.view().step, last = trace.n_steps() - 1;
  const float w = 30 * ui.scale;
  if (button("|<", "first step (Home)", w)) ui.go_to(0);
  ImGui::SameLine(0, 2);
  if (button("<", "one step back (Left; Shift: 10)", w)) ui.go_to(step > 0 ? step - 1 : 0);
  ImGui::SameLine(0, 2);
  if (button(playing ? "Pause" : "Play", "play or pause (Space)", 58 * ui.scale)) {
    playing = !playing;
    if (playing && step == last) ui.go_to(0);
  }
  ImGui::SameLine(0, 2);
  if (button(">", "one step on (Right; Shift: 10)", w)) ui.go_to(step + 1);
  ImGui::SameLine(0, 2);
  if (button(">|", "last step (End)", w)) ui.go_to(last);
  ImGui::SameLine();
  int typed = static_cast<int>(step);
  ImGui::SetNextItemWidth(70 * ui.scale);
  if (ImGui::InputInt("##step", &typed, 0, 0)) ui.go_to(static_cast<std::uint32_t>(std::max(0, typed)));
  ImGui::SameLine(0, 4);
  ImGui::TextDisabled("of %u", last);
  if (trace.growing) {
    ImGui::SameLine();
    ImGui::PushStyleColor(ImGuiCol_Text, ui.theme.accent);
    ImGui::Checkbox("live", &ui.session.at_head);
    ImGui::PopStyleColor();
    ImGui::SetItemTooltip("the trace grows; ticked: stay at the newest step (L)");
  }
  ImGui::SameLine();
  scrub_bar(ui, ImVec2(std::max(40.0F, ImGui::GetContentRegionAvail().x), ImGui::GetFrameHeight()));
}

}  // namespace kvwave::viewer
