#include "viewer/panels/plot_tooltip.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "viewer/model/token_text.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostLines = 16;

// The token's text beside a position, where it is known.
std::string with_token(const Ui& ui, const std::string& axis, double at) {
  const std::string text = fmt::format("{} {:.0f}", axis, at);
  const auto& tokens = ui.session.tokens();
  if ((axis != "position" && axis != "query_position") || !tokens || at < 0 ||
      at >= static_cast<double>(tokens->piece.size())) {
    return text;
  }
  return fmt::format("{} \"{}\"", text, printable(tokens->piece[static_cast<std::size_t>(at)]));
}

std::string heat_value(const Ui& ui, const Figure& figure, double x, double y) {
  const Heatmap& map = *figure.heatmap;
  const double column = std::floor((x + 0.5 - map.x0) / map.dx), row = std::floor((y + 0.5 - map.y0) / map.dy);
  if (column < 0 || row < 0 || column >= map.values->columns() || row >= map.values->rows()) return {};
  const float value = map.values->at(static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column));
  if (std::isnan(value)) return {};
  const auto range = [&](const std::string& axis, double first, double n) {
    return n > 1 ? fmt::format("{} {:.0f} to {:.0f}", axis, first, first + n - 1) : with_token(ui, axis, first);
  };
  std::string where = range(figure.x.name, map.x0 + column * map.dx, map.dx);
  if (map.group > 0) {
    const auto index = static_cast<std::uint32_t>(row);
    where += fmt::format(", layer {}, {} {}", index / map.group, map.group_member, index % map.group);
  } else {
    where += ", " + range(figure.y.name, map.y0 + row * map.dy, map.dy);
  }
  return fmt::format("{}: {} {:.6g}", where, map.name, value);
}

std::string series_values(const Ui& ui, const Figure& figure, double x, const std::string& lifted) {
  // The x of the nearest point of any series; then all series that have a point there.
  double nearest = kNoValue;
  for (const Series& series : figure.series) {
    for (const double at : series.x) {
      if (!(std::abs(at - x) >= std::abs(nearest - x))) nearest = at;
    }
  }
  if (std::isnan(nearest)) return {};
  std::string text = figure.x.name == "position" ? with_token(ui, "position", nearest)
                                                 : fmt::format("{} {:.6g}", figure.x.name, nearest);
  std::size_t lines = 0;
  for (auto series = figure.series.rbegin(); series != figure.series.rend() && lines < kMostLines; ++series) {
    if (!lifted.empty() && series->name != lifted && series->role != Role::a && series->role != Role::b) continue;
    const auto at = std::find(series->x.begin(), series->x.end(), nearest);
    if (at == series->x.end() || series->mark == Mark::points) continue;
    const auto i = static_cast<std::size_t>(at - series->x.begin());
    if (series->mark == Mark::band) {
      text += fmt::format("\n{}: {:.6g} to {:.6g}", series->name, series->low[i], series->high[i]);
    } else {
      text += fmt::format("\n{}: {:.6g}", series->name, series->y[i]);
      if (i < series->low.size()) text += fmt::format(" ({:.6g} to {:.6g})", series->low[i], series->high[i]);
    }
    ++lines;
  }
  return text;
}

}  // namespace

std::string value_at(const Ui& ui, const Figure& figure, double x, double y, const std::string& lifted) {
  if (figure.heatmap && figure.heatmap->values) return heat_value(ui, figure, x, y);
  return series_values(ui, figure, x, lifted);
}

void draw_value_tooltip(Ui& ui, const std::string& text) {
  ImGui::BeginTooltip();
  ImGui::PushFont(nullptr, kSmallSize);
  ImGui::PushTextWrapPos(420 * ui.scale);
  ImGui::TextUnformatted(text.c_str());
  ImGui::PopTextWrapPos();
  ImGui::PopFont();
  ImGui::EndTooltip();
}

}  // namespace kvwave::viewer
