#include "viewer/panels/plot_selection.h"

#include <algorithm>
#include <cmath>
#include <implot.h>

namespace kvwave::viewer {
namespace {

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
