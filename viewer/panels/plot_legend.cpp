#include "viewer/panels/plot_legend.h"

#include <vector>

#include <fmt/format.h>

#include "viewer/panels/plot_marks.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostInPanel = 7;
constexpr float kSwatch = 18, kGap = 6, kBetween = 16;  // pixels

struct Entry {
  const Series* series;
  ImVec2 at = {};  // from the legend's corner
};

// A panel is small: many lines are told apart by their tooltip, A and B by the legend. A picture names all.
std::vector<Entry> entries_of(const Ui& ui, const Figure& figure, std::size_t& others) {
  const bool brief = !ui.exporting && figure.series.size() > kMostInPanel;
  std::vector<Entry> entries;
  for (auto series = figure.series.rbegin(); series != figure.series.rend(); ++series) {  // drawn last comes first
    if (series->name.ends_with(", q_heads") || !series->end_label.empty()) continue;
    if (brief && series->role != Role::a && series->role != Role::b) {
      ++others;
    } else {
      entries.push_back({&*series});
    }
  }
  return entries;
}

}  // namespace

void draw_legend(Ui& ui, const Figure& figure, ImVec2 room) {
  std::size_t others = 0;
  std::vector<Entry> entries = entries_of(ui, figure, others);
  if (entries.size() < 2 && (entries.empty() || entries.front().series->role == Role::reference)) return;
  ImGui::PushFont(nullptr, kSmallSize);
  const float line = ImGui::GetTextLineHeight() + 2 * ui.scale;
  const float text = (kSwatch + kGap) * ui.scale;
  ImVec2 next;
  for (Entry& entry : entries) {
    const float width = text + ImGui::CalcTextSize(entry.series->name.c_str()).x;
    if (next.x > 0 && next.x + width > room.x) next = ImVec2(0, next.y + line);
    entry.at = next;
    next.x += width + kBetween * ui.scale;
  }
  if (next.y + line <= room.y) {
    ImDrawList* draw = ImGui::GetWindowDrawList();
    const ImVec2 corner = ImGui::GetCursorScreenPos();
    for (const Entry& entry : entries) {
      const ImVec2 at(corner.x + entry.at.x, corner.y + entry.at.y);
      draw_swatch(ui, *entry.series, ImVec2(at.x, at.y + line / 2 - ui.scale), kSwatch * ui.scale);
      draw->AddText(ImVec2(at.x + text, at.y), packed(ui.theme.ink), entry.series->name.c_str());
    }
    if (others > 0) {
      draw->AddText(ImVec2(corner.x + next.x, corner.y + next.y), packed(ui.theme.muted),
                    fmt::format("{} more: point at them", others).c_str());
    }
    ImGui::Dummy(ImVec2(room.x, next.y + line));
  }
  ImGui::PopFont();
}

}  // namespace kvwave::viewer
