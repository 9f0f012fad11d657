#include "viewer/panels/plot_labels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <implot.h>
#include <optional>

#include <fmt/format.h>

#include "viewer/model/token_text.h"

namespace kvwave::viewer {
namespace {

constexpr float kLeader = 22;           // pixels between a plot's edge and the names beside it
constexpr std::size_t kMostBytes = 24;  // of a token's text in a label

struct EndLabel {
  const Series* series;
  ImVec2 end;
};

// Those of the lowest rank go first where not all fit.
int rank_of(Role role) {
  if (role == Role::a || role == Role::b) return 3;
  return role == Role::control ? 2 : 1;
}

// Where the line ends inside the plot; nothing when it lies outside.
std::optional<ImVec2> end_of(const Series& series) {
  const ImPlotRect limits = ImPlot::GetPlotLimits();
  for (std::size_t i = series.x.size(); i-- > 0;) {
    if (!std::isfinite(series.y[i]) || series.x[i] > limits.X.Max || series.x[i] < limits.X.Min) continue;
    if (series.y[i] < limits.Y.Min || series.y[i] > limits.Y.Max) return std::nullopt;
    return ImPlot::PlotToPixels(series.x[i], series.y[i]);
  }
  return std::nullopt;
}

float label_height(const Ui& ui) {
  ImGui::PushFont(ui.fonts.regular, kSmallSize);
  const float height = ImGui::GetTextLineHeight() + ui.scale;
  ImGui::PopFont();
  return height;
}

// As much of a text as the room holds.
std::string elided(std::string text, float room) {
  if (ImGui::CalcTextSize(text.c_str()).x <= room) return text;
  while (!text.empty() && ImGui::CalcTextSize((text + "...").c_str()).x > room) text.pop_back();
  return text + "...";
}

// The lines that a plot of this height has room to name, and how many it has not.
std::vector<const Series*> named_lines(const Ui& ui, const Figure& figure, float height, std::size_t& unnamed) {
  std::vector<const Series*> named;
  for (const Series& series : figure.series) {
    if (!series.end_label.empty() && !series.x.empty()) named.push_back(&series);
  }
  std::stable_sort(named.begin(), named.end(),
                   [](const Series* x, const Series* y) { return rank_of(x->role) > rank_of(y->role); });
  const auto fit = static_cast<std::size_t>(std::max(0.0F, (height - kXAxisHeight * ui.scale) / label_height(ui) + 1));
  unnamed = named.size() - std::min(named.size(), fit);
  named.resize(named.size() - unnamed);
  return named;
}

ImFont* font_of(const Ui& ui, Role role) {
  return role == Role::a || role == Role::b ? ui.fonts.bold : ui.fonts.regular;
}

bool overlap(const ImVec4& a, const ImVec4& b) {
  return a.x < b.z && b.x < a.z && a.y < b.w && b.y < a.w;
}

}  // namespace

std::vector<float> spread_labels(const std::vector<float>& wanted, float height, float low, float high) {
  // Groups of touching labels, each centred on the mean of what its members want; groups that meet become one.
  struct Group {
    float middle, half;
    std::size_t n;
  };
  const auto placed = [&](float middle, float half) { return std::max(low + half, std::min(middle, high - half)); };
  std::vector<Group> groups;
  for (const float y : wanted) {
    groups.push_back({placed(y, height / 2), height / 2, 1});
    while (groups.size() > 1) {
      const Group last = groups.back(), before = groups[groups.size() - 2];
      if (before.middle + before.half <= last.middle - last.half + 1e-3F) break;
      groups.pop_back();
      const auto n = static_cast<float>(before.n + last.n);
      const float mean = (before.middle * static_cast<float>(before.n) + last.middle * static_cast<float>(last.n)) / n;
      groups.back() = {placed(mean, n * height / 2), n * height / 2, before.n + last.n};
    }
  }
  std::vector<float> middles;
  for (const Group& group : groups) {
    for (std::size_t i = 0; i < group.n; ++i)
      middles.push_back(group.middle - group.half + height * (static_cast<float>(i) + 0.5F));
  }
  return middles;
}

float end_label_room(Ui& ui, const Figure& figure, ImVec2 size) {
  float widest = 0;
  std::size_t unnamed = 0;
  for (const Series* series : named_lines(ui, figure, size.y, unnamed)) {
    ImGui::PushFont(font_of(ui, series->role), kSmallSize);
    widest = std::max(widest, ImGui::CalcTextSize(series->end_label.c_str()).x);
    ImGui::PopFont();
  }
  return widest > 0 ? std::min(widest + (kLeader + 6) * ui.scale, size.x * 0.45F) : 0;
}

const Series* draw_end_labels(Ui& ui, const Figure& figure, ImVec2 whole, float room, const std::string& lifted) {
  if (room <= 0) return nullptr;
  const ImVec2 corner = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  std::vector<EndLabel> labels;
  std::size_t unnamed = 0;
  for (const Series* series : named_lines(ui, figure, whole.y, unnamed)) {
    if (const std::optional<ImVec2> end = end_of(*series)) labels.push_back({series, *end});
  }
  std::stable_sort(labels.begin(), labels.end(),
                   [](const EndLabel& x, const EndLabel& y) { return x.end.y < y.end.y; });
  const float line = label_height(ui);
  std::vector<float> wanted;
  for (const EndLabel& label : labels) wanted.push_back(label.end.y);
  const std::vector<float> at = spread_labels(wanted, line, corner.y - line / 2, corner.y + size.y + line / 2);
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const float edge = corner.x + size.x, text_x = edge + kLeader * ui.scale;
  const Series* hovered = nullptr;
  draw->PushClipRect(ImVec2(corner.x, corner.y - 2 * line), ImVec2(edge + room, corner.y + size.y + 2 * line), true);
  ImGui::PushFont(ui.fonts.regular, kSmallSize);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const Series& series = *labels[i].series;
    const ImVec2 end = labels[i].end;
    const bool up = series.name == lifted;
    const float alpha = lifted.empty() || up ? 1.0F : 0.45F;
    const ImVec4 colour = ui.theme.of(series.role, series.colour);
    // From the line's end to its name, level as far as the plot goes.
    const std::array<ImVec2, 3> leader = {ImVec2(std::min(end.x + 6 * ui.scale, edge + 2 * ui.scale), end.y),
                                          ImVec2(edge + 3 * ui.scale, end.y), ImVec2(text_x - 4 * ui.scale, at[i])};
    draw->AddPolyline(leader.data(), static_cast<int>(leader.size()), packed(colour, 0.55F * alpha),
                      (up ? 1.6F : 1.0F) * ui.scale);
    ImGui::PushFont(up ? ui.fonts.bold : font_of(ui, series.role), kSmallSize);
    draw->AddText(ImVec2(text_x, std::round(at[i] - line / 2)),
                  packed(series.role == Role::control ? ui.theme.muted : colour, alpha),
                  elided(series.end_label, edge + room - text_x).c_str());
    ImGui::PopFont();
    if (!ui.exporting && ImGui::IsWindowHovered() &&
        ImGui::IsMouseHoveringRect(ImVec2(text_x, at[i] - line / 2), ImVec2(edge + room, at[i] + line / 2))) {
      hovered = &series;
    }
  }
  if (unnamed > 0) {
    draw->AddText(ImVec2(text_x, corner.y + size.y + line / 2), packed(ui.theme.muted),
                  fmt::format("{} more", unnamed).c_str());
  }
  ImGui::PopFont();
  draw->PopClipRect();
  if (hovered != nullptr) ImGui::SetTooltip("%s\nclick: as A; Shift and click: as B", hovered->name.c_str());
  return hovered;
}

void draw_point_labels(Ui& ui, const Figure& figure) {
  if (figure.labels.empty()) return;
  const ImVec2 corner = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  const ImPlotRect limits = ImPlot::GetPlotLimits();
  const auto& tokens = ui.session.tokens();
  std::vector<ImVec4> taken;
  ImDrawList* draw = ImPlot::GetPlotDrawList();
  ImPlot::PushPlotClipRect();
  ImGui::PushFont(nullptr, kSmallSize);
  for (const PointLabel& label : figure.labels) {
    if (!limits.Contains(label.x, label.y)) continue;
    std::string text = label.text;
    if (figure.x.name == "position" && tokens && label.x >= 0 && label.x < static_cast<double>(tokens->piece.size())) {
      std::string piece = printable(tokens->piece[static_cast<std::size_t>(label.x)]);
      if (piece.size() <= kMostBytes) text += " \"" + piece + "\"";
    }
    const ImVec2 at = ImPlot::PlotToPixels(label.x, label.y), extent = ImGui::CalcTextSize(text.c_str());
    const float gap = 6 * ui.scale;
    for (const ImVec2 from :
         {ImVec2(at.x + gap, at.y - extent.y / 2), ImVec2(at.x - gap - extent.x, at.y - extent.y / 2),
          ImVec2(at.x + gap, at.y + gap), ImVec2(at.x - gap - extent.x, at.y + gap)}) {
      const ImVec4 box(from.x - 2, from.y, from.x + extent.x + 2, from.y + extent.y);
      if (box.x < corner.x || box.z > corner.x + size.x || box.y < corner.y - extent.y / 2 ||
          box.w > corner.y + size.y ||
          std::any_of(taken.begin(), taken.end(), [&](const ImVec4& other) { return overlap(box, other); })) {
        continue;
      }
      draw->AddRectFilled(ImVec2(box.x, box.y), ImVec2(box.z, box.w), packed(ui.theme.panel, 0.8F));
      draw->AddText(from, packed(ui.theme.ink), text.c_str());
      taken.push_back(box);
      break;
    }
  }
  ImGui::PopFont();
  ImPlot::PopPlotClipRect();
}

}  // namespace kvwave::viewer
