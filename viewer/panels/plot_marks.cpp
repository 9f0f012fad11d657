#include "viewer/panels/plot_marks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <implot.h>
#include <vector>

#include "viewer/model/eviction_map.h"

namespace kvwave::viewer {
namespace {

constexpr std::size_t kMostMarkers = 80;  // points of a line that still get a marker each
constexpr std::array kMarkers = {ImPlotMarker_Circle, ImPlotMarker_Square, ImPlotMarker_Diamond, ImPlotMarker_Up,
                                 ImPlotMarker_Down,   ImPlotMarker_Cross,  ImPlotMarker_Plus};

// Controls differ by shape, as they share a colour. The others differ by both: there is one shape less than colours, so
// that lines which share one differ in the other. The circle's turn comes last, as A and B have it.
std::size_t marker_of(const Series& series) {
  if (series.role == Role::control) return series.colour % kMarkers.size();
  return series.role == Role::other ? (series.colour + 1) % kMarkers.size() : 0;
}

float weight_of(const Series& series, Emphasis emphasis) {
  if (emphasis == Emphasis::lifted) return 3;
  return series.role == Role::control ? 1.2F : series.role == Role::other ? 1.4F : 2.2F;
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

// All lines have their points at the same x: the intervals of A and B stand beside them, those of the rest step back.
void draw_intervals(const Series& series, ImPlotSpec spec, Emphasis emphasis, float scale) {
  constexpr float kBeside = 4, kBack = 0.35F;
  const bool chosen = series.role == Role::a || series.role == Role::b;
  const float shift = series.role == Role::a ? -kBeside * scale : series.role == Role::b ? kBeside * scale : 0;
  std::vector<double> x, below, above;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    const ImVec2 at = ImPlot::PlotToPixels(series.x[i], series.y[i]);
    x.push_back(ImPlot::PixelsToPlot(at.x + shift, at.y).x);
    below.push_back(series.y[i] - series.low[i]);
    above.push_back(series.high[i] - series.y[i]);
  }
  spec.Marker = ImPlotMarker_None;
  spec.LineWeight = (chosen ? 1.4F : 1.0F) * scale;
  if (!chosen && emphasis == Emphasis::plain) spec.LineColor.w *= kBack;
  ImPlot::PlotErrorBars(series.name.c_str(), x.data(), series.y.data(), below.data(), above.data(), count(x), spec);
}

void draw_line(const Series& series, ImPlotSpec spec, Emphasis emphasis, float scale) {
  if (series.dashed) return draw_dashes(series, packed(spec.LineColor), scale);
  const bool few = series.x.size() <= kMostMarkers;
  spec.LineWeight = weight_of(series, emphasis) * scale;
  const bool many = static_cast<double>(series.x.size()) > 2 * ImPlot::GetPlotSize().x;
  if (many) {
    const Points points = thinned(series);
    ImPlot::PlotLine(series.name.c_str(), points.x.data(), points.y.data(), count(points.x), spec);
  } else {
    ImPlot::PlotLine(series.name.c_str(), series.x.data(), series.y.data(), count(series.x), spec);
  }
  if (few) {  // apart from the line, whose weight would round their corners off
    ImPlotSpec dots = spec;
    dots.LineWeight = (marker_of(series) < 5 ? 1.0F : 1.6F) * scale;  // of crosses, all there is
    dots.Marker = kMarkers[marker_of(series)];
    const bool small = emphasis != Emphasis::lifted && (series.role == Role::control || series.role == Role::other);
    dots.MarkerSize = (small ? 3.0F : 3.6F) * scale;
    ImPlot::PlotScatter(series.name.c_str(), series.x.data(), series.y.data(), count(series.x), dots);
  }
  if (series.low.size() == series.x.size() && !series.low.empty()) draw_intervals(series, spec, emphasis, scale);
}

// One level per layer, drawn from half a layer before to half after.
void draw_steps(const Series& series, ImPlotSpec spec, float scale) {
  if (series.x.size() < 2) return draw_line(series, spec, Emphasis::plain, scale);
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

}  // namespace

void draw_series(Ui& ui, const Series& series, const Axis& y, Emphasis emphasis) {
  constexpr float kFaded = 0.3F;
  ImPlotSpec spec;
  ImVec4 colour = ui.theme.of(series.role, series.colour);
  if (emphasis == Emphasis::faded) colour.w *= kFaded;
  spec.LineColor = spec.FillColor = spec.MarkerLineColor = spec.MarkerFillColor = colour;
  switch (series.mark) {
    case Mark::line:
      return draw_line(series, spec, emphasis, ui.scale);
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
  } else if (shape == 5 || shape == 6) {
    const float diagonal = shape == 5 ? 0.7F : 0.0F, straight = shape == 5 ? 0.7F : 1.0F;
    for (const ImVec2 arm : {ImVec2(straight * r, diagonal * r), ImVec2(-diagonal * r, straight * r)}) {
      draw->AddLine(ImVec2(middle.x - arm.x, middle.y - arm.y), ImVec2(middle.x + arm.x, middle.y + arm.y),
                    packed(colour), 1.5F * ui.scale);
    }
  } else if (shape == 3 || shape == 4) {
    const float up = shape == 3 ? -1.0F : 1.0F;
    draw->AddTriangleFilled(ImVec2(middle.x - r, middle.y - up * r), ImVec2(middle.x + r, middle.y - up * r),
                            ImVec2(middle.x, middle.y + up * r), packed(colour));
  } else {
    draw->AddCircleFilled(middle, r, packed(colour));
  }
}

const Series* line_at_mouse(const Figure& figure, float reach) {
  const ImVec2 mouse = ImGui::GetMousePos();
  const Series* nearest = nullptr;
  for (const Series& series : figure.series) {
    if (series.end_label.empty()) continue;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      const ImVec2 to = ImPlot::PlotToPixels(series.x[i], series.y[i]),
                   from = i == 0 ? to : ImPlot::PlotToPixels(series.x[i - 1], series.y[i - 1]);
      const ImVec2 along(to.x - from.x, to.y - from.y), off(mouse.x - from.x, mouse.y - from.y);
      const float length = along.x * along.x + along.y * along.y;
      const float share = length > 0 ? std::clamp((off.x * along.x + off.y * along.y) / length, 0.0F, 1.0F) : 0.0F;
      const float distance = std::hypot(off.x - share * along.x, off.y - share * along.y);
      if (distance < reach) nearest = &series, reach = distance;
    }
  }
  return nearest;
}

}  // namespace kvwave::viewer
