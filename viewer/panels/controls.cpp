#include "viewer/panels/controls.h"

namespace kvwave::viewer {

bool choice(const char* id, std::span<const char* const> words, int& chosen) {
  bool changed = false;
  ImGui::PushID(id);
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(1, ImGui::GetStyle().ItemSpacing.y));
  for (int i = 0; i < static_cast<int>(words.size()); ++i) {
    if (i > 0) ImGui::SameLine();
    const bool on = i == chosen;
    if (on) {
      ImGui::PushStyleColor(ImGuiCol_Button, ImGui::GetStyleColorVec4(ImGuiCol_HeaderActive));
      ImGui::PushStyleColor(ImGuiCol_ButtonHovered, ImGui::GetStyleColorVec4(ImGuiCol_HeaderActive));
    }
    if (ImGui::Button(words[static_cast<std::size_t>(i)]) && !on) chosen = i, changed = true;
    if (on) ImGui::PopStyleColor(2);
  }
  ImGui::PopStyleVar();
  ImGui::PopID();
  return changed;
}

void flow(float width) {
  const float right = ImGui::GetItemRectMax().x + ImGui::GetStyle().ItemSpacing.x + width;
  if (right <= ImGui::GetCursorScreenPos().x + ImGui::GetContentRegionAvail().x) ImGui::SameLine();
}

bool flowing_checkbox(const char* label, bool& on) {
  flow(ImGui::GetFrameHeight() + ImGui::GetStyle().ItemInnerSpacing.x + ImGui::CalcTextSize(label).x);
  return ImGui::Checkbox(label, &on);
}

}  // namespace kvwave::viewer
