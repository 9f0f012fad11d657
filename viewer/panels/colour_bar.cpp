#include "viewer/panels/colour_bar.h"

#include <algorithm>
#include <cmath>
#include <implot.h>
#include <implot_internal.h>
#include <vector>

#include <fmt/format.h>

#include "viewer/model/colour_map.h"

namespace kvwave::viewer {
namespace {

constexpr float kBarWidth = 14;

std::string bar_tick(double value) {
  return value != 0 && std::abs(value) < 0.01 ? fmt::format("{:.0e}", value) : fmt::format("{:.4g}", value);
}

// Round values inside [low, high], about `wanted` of them.
std::vector<double> round_ticks(double low, double high, int wanted) {
  std::vector<double> ticks;
  const double raw = (high - low) / wanted, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = power * (raw / power > 5 ? 10 : raw / power > 2 ? 5 : raw / power > 1 ? 2 : 1);
  for (double t = std::ceil(low / step) * step; t <= high + step * 1e-6; t += step) {
    ticks.push_back(std::abs(t) < step * 1e-6 ? 0 : t);
  }
  return ticks;
}

std::vector<double> bar_ticks(const Heatmap& map, float height) {
  std::vector<double> ticks;
  if (map.scale == Scale::decades) {
    for (double t = std::pow(10.0, std::ceil(std::log10(map.low) - 1e-6)); t <= map.high * 1.000001; t *= 10) {
      ticks.push_back(t);
      if (std::log10(map.high / map.low) < 2 && t * 3 <= map.high) ticks.push_back(t * 3);
    }
    return ticks;
  }
  return map.high > map.low ? round_ticks(map.low, map.high, std::max(4, static_cast<int>(height / 60))) : ticks;
}

}  // namespace

void draw_colour_bar(Ui& ui, const Heatmap& map, ImVec2 top, float height) {
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const float width = kBarWidth * ui.scale;
  const auto& table = colour_table(map.scale == Scale::diverging ? ColourMap::diverging : ColourMap::sequential);
  constexpr int kSlices = 64;
  for (int i = 0; i < kSlices; ++i) {
    const float y0 = top.y + height * static_cast<float>(kSlices - 1 - i) / kSlices;
    draw->AddRectFilled(ImVec2(top.x, y0), ImVec2(top.x + width, y0 + height / kSlices + 1),
                        table[static_cast<std::size_t>(i) * 255 / (kSlices - 1)]);
  }
  draw->AddRect(top, ImVec2(top.x + width, top.y + height), packed(ui.theme.line));
  ImGui::PushFont(nullptr, kSmallSize);
  const float text = ImGui::GetTextLineHeight();
  for (const double tick : bar_ticks(map, height)) {
    const float y = top.y + height * (1 - colour_position(map, static_cast<float>(tick)));
    draw->AddLine(ImVec2(top.x + width, y), ImVec2(top.x + width + 3 * ui.scale, y), packed(ui.theme.muted));
    draw->AddText(
        ImVec2(top.x + width + 5 * ui.scale, std::clamp(y - text / 2, top.y - text / 3, top.y + height - text * 0.7F)),
        packed(ui.theme.muted), bar_tick(tick).c_str());
  }
  const ImVec2 label = ImGui::CalcTextSize(map.label.c_str());
  if (label.x < height) {
    ImPlot::AddTextVertical(draw, ImVec2(top.x + (kColourBarRoom - 16) * ui.scale, top.y + (height + label.x) / 2),
                            packed(ui.theme.muted), map.label.c_str());
  }
  ImGui::PopFont();
}

}  // namespace kvwave::viewer
