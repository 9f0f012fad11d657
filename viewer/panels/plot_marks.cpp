#include "viewer/panels/plot_marks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <implot.h>
#include <vector>

#include "viewer/model/colour_map.h"
#include "viewer/model/eviction_map.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostMarkers = 80;  // points of a line that still get a marker each
constexpr std::array kMarkers = {ImPlotMarker_Circle, ImPlotMarker_Square, ImPlotMarker_Diamond,
                                 ImPlotMarker_Up,     ImPlotMarker_Down,   ImPlotMarker_Cross};

// Controls differ by shape, as they share a colour; so do the strategies beyond the colours.
std::size_t marker_of(const Series& series) {
  if (series.role == Role::control) return series.colour % kMarkers.size();
  constexpr std::size_t kSpare = kLineColours - 2;
  return series.role == Role::other ? (series.colour - 2) / kSpare % kMarkers.size() : 0;
}

struct Points {
  std::vector<double> x, y;
};

// Lowest and highest point of every pixel column: what a line of many points looks like, at a fixed cost.
Points thinned(const Series& series) {
  const ImPlotRect limits = ImPlot::GetPlotLimits();
  const double pixels = std::max(1.0F, ImPlot::GetPlotSize().x), per_pixel = (limits.X.Max - limits.X.Min) / pixels;
  Points out;
  for (std::size_t i = 0; i < series.x.size();) {
    const double column = std::floor((series.x[i] - limits.X.Min) / per_pixel);
    std::size_t low = i, high = i, end = i;
    for (; end < series.x.size() && std::floor((series.x[end] - limits.X.Min) / per_pixel) == column; ++end) {
      if (series.y[end] < series.y[low] || std::isnan(series.y[low])) low = end;
      if (series.y[end] > series.y[high] || std::isnan(series.y[high])) high = end;
    }
    for (const std::size_t k : {std::min(low, high), std::max(low, high)}) {
      if (k == std::max(low, high) && low == high && !out.x.empty() && out.x.back() == series.x[k]) continue;
      out.x.push_back(series.x[k]);
      out.y.push_back(series.y[k]);
    }
    i = end;
  }
  return out;
}

int count(const std::vector<double>& values) {
  return static_cast<int>(values.size());
}

void draw_dashes(const Series& series, ImU32 colour, float scale) {
  constexpr float kOn = 7, kPeriod = 12;
  ImDrawList* draw = ImPlot::GetPlotDrawList();
  ImPlot::PushPlotClipRect();
  float phase = 0;  // runs on through corners
  for (std::size_t i = 0; i + 1 < series.x.size(); ++i) {
    const ImVec2 from = ImPlot::PlotToPixels(series.x[i], series.y[i]),
                 to = ImPlot::PlotToPixels(series.x[i + 1], series.y[i + 1]);
    const float length = std::hypot(to.x - from.x, to.y - from.y);
    if (!(length > 0) || length > 1e5F) continue;
    const auto at = [&](float t) {
      return ImVec2(from.x + (to.x - from.x) * t / length, from.y + (to.y - from.y) * t / length);
    };
    for (float t = 0; t < length;) {
      const float in_period = std::fmod((phase + t) / scale, kPeriod);
      const bool on = in_period < kOn;
      const float end = std::min(length, t + std::max(0.5F, ((on ? kOn : kPeriod) - in_period) * scale));
      if (on) draw->AddLine(at(t), at(end), colour, 1.8F * scale);
      t = end;
    }
    phase += length;
  }
  ImPlot::PopPlotClipRect();
}

void draw_line(const Series& series, ImPlotSpec spec, float scale) {
  if (series.dashed) return draw_dashes(series, packed(spec.LineColor), scale);
  const bool few = series.x.size() <= kMostMarkers;
  spec.LineWeight = (series.role == Role::control ? 1.2F : series.role == Role::other ? 1.5F : 2.2F) * scale;
  const bool many = static_cast<double>(series.x.size()) > 2 * ImPlot::GetPlotSize().x;
  if (many) {
    const Points points = thinned(series);
    ImPlot::PlotLine(series.name.c_str(), points.x.data(), points.y.data(), count(points.x), spec);
  } else {
    ImPlot::PlotLine(series.name.c_str(), series.x.data(), series.y.data(), count(series.x), spec);
  }
  if (few) {  // apart from the line, whose weight would round their corners off
    ImPlotSpec dots = spec;
    dots.LineWeight = scale;
    dots.Marker = kMarkers[marker_of(series)];
    dots.MarkerSize = (series.role == Role::control || series.role == Role::other ? 2.8F : 3.4F) * scale;
    ImPlot::PlotScatter(series.name.c_str(), series.x.data(), series.y.data(), count(series.x), dots);
  }
  if (series.low.size() == series.x.size() && !series.low.empty()) {
    std::vector<double> below(series.x.size()), above(series.x.size());
    for (std::size_t i = 0; i < series.x.size(); ++i)
      below[i] = series.y[i] - series.low[i], above[i] = series.high[i] - series.y[i];
    spec.Marker = ImPlotMarker_None;
    spec.LineWeight = scale;
    ImPlot::PlotErrorBars(series.name.c_str(), series.x.data(), series.y.data(), below.data(), above.data(),
                          count(series.x), spec);
  }
}

// One level per layer, drawn from half a layer before to half after.
void draw_steps(const Series& series, ImPlotSpec spec, float scale) {
  if (series.x.size() < 2) return draw_line(series, spec, scale);
  const double half = (series.x[1] - series.x[0]) / 2;
  std::vector<double> x, y;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    x.insert(x.end(), {series.x[i] - half, series.x[i] + half});
    y.insert(y.end(), {series.y[i], series.y[i]});
  }
  spec.LineWeight = 1.8F * scale;
  ImPlot::PlotLine(series.name.c_str(), x.data(), y.data(), count(x), spec);
}

// Where stems would merge into an area, most values are dots, and only those that count for something have a stem.
void draw_stems(const Series& series, ImPlotSpec spec, const Axis& y, float scale) {
  constexpr double kPixelsPerStem = 3;
  const ImPlotRect limits = ImPlot::GetPlotLimits();
  const bool few = limits.X.Size() * kPixelsPerStem < ImPlot::GetPlotSize().x;
  Points tall, low;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (series.x[i] < limits.X.Min || series.x[i] > limits.X.Max) continue;
    Points& out = few || series.y[i] >= kNeededProb ? tall : low;
    out.x.push_back(series.x[i]);
    out.y.push_back(series.y[i]);
  }
  spec.Marker = ImPlotMarker_Circle;
  if (!low.x.empty()) {
    ImPlotSpec dots = spec;
    dots.MarkerSize = 1.6F * scale;
    dots.MarkerLineColor.w = dots.MarkerFillColor.w = 0.65F;
    ImPlot::PlotScatter(series.name.c_str(), low.x.data(), low.y.data(), count(low.x), dots);
  }
  if (tall.x.empty()) return;
  spec.LineColor.w = 0.8F;
  spec.LineWeight = (few ? 2.0F : 1.6F) * scale;
  spec.MarkerSize = (few ? 2.5F : 2.6F) * scale;
  ImPlot::PlotStems(series.name.c_str(), tall.x.data(), tall.y.data(), count(tall.x), y.low, spec);
}

void fill_columns(Ui& ui, double from, double to) {
  const ImVec2 at = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  const float x0 = ImPlot::PlotToPixels(from, 0).x, x1 = ImPlot::PlotToPixels(to, 0).x;
  ImPlot::GetPlotDrawList()->AddRectFilled(ImVec2(x0, at.y), ImVec2(x1, at.y + size.y), packed(ui.theme.accent, 0.10F));
}

// A frame around the selected rows that shows on any colour: dark in light or light in dark.
void frame_rows(double low, double high) {
  const ImVec2 at = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  float y0 = ImPlot::PlotToPixels(0, low).y, y1 = ImPlot::PlotToPixels(0, high).y;
  if (y0 > y1) std::swap(y0, y1);
  ImDrawList* draw = ImPlot::GetPlotDrawList();
  draw->AddRect(ImVec2(at.x + 1, y0 - 1), ImVec2(at.x + size.x - 1, y1 + 1), IM_COL32(0, 0, 0, 150));
  draw->AddRect(ImVec2(at.x + 2, y0), ImVec2(at.x + size.x - 2, y1), IM_COL32(255, 255, 255, 220));
}

void frame_cell(double x, double y) {
  const ImVec2 a = ImPlot::PlotToPixels(x - 0.5, y - 0.5), b = ImPlot::PlotToPixels(x + 0.5, y + 0.5);
  const ImVec2 low(std::min(a.x, b.x), std::min(a.y, b.y)), high(std::max(a.x, b.x), std::max(a.y, b.y));
  ImDrawList* draw = ImPlot::GetPlotDrawList();
  draw->AddRect(ImVec2(low.x - 1, low.y - 1), ImVec2(high.x + 1, high.y + 1), IM_COL32(0, 0, 0, 200), 0.0F, 1.0F);
  draw->AddRect(low, high, IM_COL32(255, 255, 255, 255), 0.0F, 2.0F);
}

void cursor_line(Ui& ui, double at, bool vertical) {
  const ImVec2 corner = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  ImDrawList* draw = ImPlot::GetPlotDrawList();
  const ImU32 colour = packed(ui.theme.accent), halo = IM_COL32(255, 255, 255, 110);
  if (vertical) {
    const float x = std::floor(ImPlot::PlotToPixels(at, 0).x);
    draw->AddLine(ImVec2(x, corner.y), ImVec2(x, corner.y + size.y), halo, 3.5F * ui.scale);
    draw->AddLine(ImVec2(x, corner.y), ImVec2(x, corner.y + size.y), colour, 1.5F * ui.scale);
  } else {
    const float y = std::floor(ImPlot::PlotToPixels(0, at).y);
    draw->AddLine(ImVec2(corner.x, y), ImVec2(corner.x + size.x, y), halo, 3.5F * ui.scale);
    draw->AddLine(ImVec2(corner.x, y), ImVec2(corner.x + size.x, y), colour, 1.5F * ui.scale);
  }
}

}  // namespace

void draw_series(Ui& ui, const Series& series, const Axis& y) {
  ImPlotSpec spec;
  spec.LineColor = spec.FillColor = spec.MarkerLineColor = spec.MarkerFillColor =
      ui.theme.of(series.role, series.colour);
  switch (series.mark) {
    case Mark::line:
      return draw_line(series, spec, ui.scale);
    case Mark::steps:
      return draw_steps(series, spec, ui.scale);
    case Mark::band:
      spec.FillAlpha = 0.4F;  // ImPlot applies it twice: 0.16 on screen
      spec.LineColor = spec.MarkerLineColor = ImVec4(0, 0, 0, 0);
      ImPlot::PlotShaded(series.name.c_str(), series.x.data(), series.low.data(), series.high.data(), count(series.x),
                         spec);
      return;
    case Mark::stems:
      return draw_stems(series, spec, y, ui.scale);
    case Mark::points:
      spec.Marker = ImPlotMarker_Circle;
      spec.MarkerSize = 1.9F * ui.scale;
      spec.FillAlpha = 0.55F;
      spec.LineColor.w = spec.MarkerLineColor.w = spec.MarkerFillColor.w = 0.55F;
      ImPlot::PlotScatter(series.name.c_str(), series.x.data(), series.y.data(), count(series.x), spec);
      return;
  }
}

void draw_swatch(Ui& ui, const Series& series, ImVec2 left, float width) {
  ImDrawList* draw = ImGui::GetWindowDrawList();
  const ImVec4 colour = ui.theme.of(series.role, series.colour);
  if (series.mark == Mark::band) {
    draw->AddRectFilled(ImVec2(left.x, left.y - 5 * ui.scale), ImVec2(left.x + width, left.y + 5 * ui.scale),
                        packed(colour, 0.16F));
    return;
  }
  if (series.dashed) {
    for (float x = 0; x < width; x += width * 0.4F) {
      draw->AddLine(ImVec2(left.x + x, left.y), ImVec2(left.x + std::min(width, x + width * 0.24F), left.y),
                    packed(colour), 1.8F * ui.scale);
    }
    return;
  }
  if (series.mark == Mark::stems) {
    draw->AddCircleFilled(ImVec2(left.x + width / 2, left.y), 3 * ui.scale, packed(colour));
    return;
  }
  draw->AddLine(left, ImVec2(left.x + width, left.y), packed(colour),
                (series.role == Role::control ? 1.2F : 2.2F) * ui.scale);
  if (series.mark == Mark::steps || series.x.size() > kMostMarkers) return;
  const ImVec2 middle(left.x + width / 2, left.y);
  const float r = 3.2F * ui.scale;
  const std::size_t shape = marker_of(series);
  if (shape == 1) {
    draw->AddRectFilled(ImVec2(middle.x - r, middle.y - r), ImVec2(middle.x + r, middle.y + r), packed(colour));
  } else if (shape == 2) {
    draw->AddNgonFilled(middle, r * 1.3F, packed(colour), 4);
  } else if (shape == 3 || shape == 4) {
    const float up = shape == 3 ? -1.0F : 1.0F;
    draw->AddTriangleFilled(ImVec2(middle.x - r, middle.y - up * r), ImVec2(middle.x + r, middle.y - up * r),
                            ImVec2(middle.x, middle.y + up * r), packed(colour));
  } else {
    draw->AddCircleFilled(middle, r, packed(colour));
  }
}

void draw_selection(Ui& ui, const Figure& figure) {
  const ViewState& view = ui.view();
  const TraceSnapshot& trace = ui.session.trace();
  const double layer = view.selection.layer;
  ImPlot::PushPlotClipRect();
  if (figure.x.name == "layer") fill_columns(ui, layer - 0.5, layer + 0.5);
  if (figure.y.name == "layer" && figure.x.name == "step") frame_rows(layer - 0.5, layer + 0.5);
  if (figure.y.name == "layer" && figure.x.name != "step") {
    const bool kv = figure.x.name == "kv_head";
    frame_cell(kv ? view.selection.q_head / trace.info.shape.group() : view.selection.q_head, layer);
  }
  if (figure.heatmap && figure.heatmap->group > 0) {
    frame_rows(layer * figure.heatmap->group - 0.5, (layer + 1) * figure.heatmap->group - 0.5);
  }
  if (view.selection.position) {
    const double position = *view.selection.position;
    if (figure.x.name == "position") fill_columns(ui, position - 0.5, position + 0.5);
    if (figure.y.name == "position") frame_rows(position - 0.5, position + 0.5);
  }
  if (figure.x.name == "step") cursor_line(ui, view.step, true);
  if (figure.y.name == "query_position") cursor_line(ui, trace.info.n_prompt + view.step, false);
  ImPlot::PopPlotClipRect();
  if (figure.x.name != "step" || ui.exporting) return;
  double at = view.step;
  if (ImPlot::DragLineX(1, &at, ImVec4(0, 0, 0, 0), 8 * ui.scale, ImPlotDragToolFlags_NoFit)) {
    ui.go_to(static_cast<std::uint32_t>(std::clamp(std::lround(at), 0L, static_cast<long>(trace.n_steps()) - 1)));
  }
}

}  // namespace kvwave::viewer
