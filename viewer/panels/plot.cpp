#include "viewer/panels/plot.h"

#include <algorithm>
#include <cmath>
#include <implot.h>
#include <vector>

#include <fmt/format.h>

#include "viewer/panels/colour_bar.h"
#include "viewer/panels/plot_labels.h"
#include "viewer/panels/plot_legend.h"
#include "viewer/panels/plot_marks.h"
#include "viewer/panels/plot_selection.h"
#include "viewer/panels/plot_tooltip.h"

namespace kvwave::viewer {
namespace {

constexpr float kSmallestPlot = 48;
constexpr float kRoomyPlot = 90;  // pixels high at least, or the legend goes
constexpr float kLineReach = 7;   // pixels from a line at which the mouse is at it

void update_texture(const Figure& figure, std::uint64_t version, PlotMemory& memory) {
  const ImPlotRect limits = ImPlot::GetPlotLimits();
  const ImVec2 size = ImPlot::GetPlotSize();
  ViewRect view{limits.X.Min, limits.X.Max, limits.Y.Max, limits.Y.Min};
  if (figure.y.inverted) std::swap(view.top, view.bottom);
  const int width = static_cast<int>(size.x), height = static_cast<int>(size.y);
  if (width < 1 || height < 1) return;
  if (!memory.heat) memory.heat = std::make_unique<HeatTexture>();
  HeatTexture& heat = *memory.heat;
  const Pyramid* values = figure.heatmap->values.get();
  if (heat.of == values && heat.version == version && heat.view == view && heat.width == width && heat.height == height)
    return;
  heat.texture.upload(
      rasterise(*figure.heatmap, view, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)), width,
      height);
  heat.of = values, heat.version = version, heat.view = view, heat.width = width, heat.height = height;
}

void draw_heatmap(const Figure& figure, std::uint64_t version, PlotMemory& memory) {
  update_texture(figure, version, memory);
  if (!memory.heat) return;
  const ImVec2 at = ImPlot::GetPlotPos(), size = ImPlot::GetPlotSize();
  ImPlot::PushPlotClipRect();
  ImPlot::GetPlotDrawList()->AddImage(ImTextureRef(static_cast<ImTextureID>(memory.heat->texture.id())), at,
                                      ImVec2(at.x + size.x, at.y + size.y));
  ImPlot::PopPlotClipRect();
}

// `room` in pixels for the label along the axis: one that does not fit would lie over what is next to the plot.
void set_up_axis(ImAxis which, const Axis& axis, bool heatmap, float room) {
  ImPlotAxisFlags flags = ImPlotAxisFlags_NoMenus | ImPlotAxisFlags_NoSideSwitch | ImPlotAxisFlags_NoHighlight;
  if (heatmap) flags |= ImPlotAxisFlags_NoGridLines;
  if (axis.inverted) flags |= ImPlotAxisFlags_Invert;
  if (ImGui::CalcTextSize(axis.label.c_str()).x > room) flags |= ImPlotAxisFlags_NoLabel;
  ImPlot::SetupAxis(which, axis.label.c_str(), flags);
  if (axis.logarithmic) ImPlot::SetupAxisScale(which, ImPlotScale_Log10);
  ImPlot::SetupAxisFormat(which, "%.6g");
  if (axis.ticks.empty()) return;
  std::vector<double> at;
  std::vector<const char*> names;
  for (const auto& [value, name] : axis.ticks) {
    at.push_back(value);
    names.push_back(name.c_str());
  }
  ImPlot::SetupAxisTicks(which, at.data(), static_cast<int>(at.size()), names.data());
}

void set_up_axes(Ui& ui, const Figure& figure, ImVec2 size, PlotMemory& memory) {
  set_up_axis(ImAxis_X1, figure.x, figure.heatmap.has_value(), size.x);
  set_up_axis(ImAxis_Y1, figure.y, figure.heatmap.has_value(), size.y - kXAxisHeight * ui.scale);
  const bool other_axes = memory.x_low != figure.x.low || memory.x_high != figure.x.high ||
                          memory.y_low != figure.y.low || memory.y_high != figure.y.high;
  const ImPlotCond when = memory.reset || other_axes || ui.exporting ? ImPlotCond_Always : ImPlotCond_Once;
  if (figure.x.name == "step" && !ui.exporting) {
    if (memory.reset || other_axes || ui.step_high <= ui.step_low)
      ui.step_low = figure.x.low, ui.step_high = figure.x.high;
    ImPlot::SetupAxisLinks(ImAxis_X1, &ui.step_low, &ui.step_high);
  } else {
    ImPlot::SetupAxisLimits(ImAxis_X1, figure.x.low, figure.x.high, when);
  }
  ImPlot::SetupAxisLimits(ImAxis_Y1, figure.y.low, figure.y.high, when);
  ImPlot::SetupAxisLimitsConstraints(ImAxis_X1, figure.x.low, figure.x.high);
  ImPlot::SetupAxisLimitsConstraints(ImAxis_Y1, figure.y.low, figure.y.high);
  memory.x_low = figure.x.low, memory.x_high = figure.x.high, memory.y_low = figure.y.low,
  memory.y_high = figure.y.high;
  memory.reset = false;
}

void plot_menu(Ui& ui, const Figure& figure, PlotMemory& memory) {
  const std::string& value = memory.menu_value;
  if (!ImGui::BeginPopup("plot menu")) return;
  if (ImGui::MenuItem("Copy value", "Ctrl+C", false, !value.empty())) {
    ImGui::SetClipboardText(value.c_str());
    ui.status = "copied: " + value;
  }
  if (ImGui::MenuItem("Save picture, CSV and JSON...")) ui.save_figure = figure.name;
  if (ImGui::MenuItem("Whole plot", "double click")) memory.reset = true;
  ImGui::EndPopup();
}

PlotClick plot_input(Ui& ui, const Figure& figure, PlotMemory& memory) {
  PlotClick click;
  const ImGuiIO& io = ImGui::GetIO();
  const auto still = [&](int button) { return io.MouseDragMaxDistanceSqr[button] < 16 * ui.scale * ui.scale; };
  if (!memory.lifted.empty() && ImGui::IsMouseReleased(ImGuiMouseButton_Left) && still(0)) click.series = memory.lifted;
  if (ImPlot::IsPlotHovered()) {
    const ImPlotPoint mouse = ImPlot::GetPlotMousePos();
    const std::string text = value_at(ui, figure, mouse.x, mouse.y, memory.lifted);
    if (!text.empty() && !ImGui::IsAnyItemActive()) draw_value_tooltip(ui, text);
    if (ImGui::IsMouseReleased(ImGuiMouseButton_Left) && still(0)) click = {true, mouse.x, mouse.y, memory.lifted};
    if (ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left) || ImGui::IsKeyPressed(ImGuiKey_R, false))
      memory.reset = true;
    if (ImGui::IsMouseReleased(ImGuiMouseButton_Right) && still(1)) {
      memory.menu_value = text;
      ImGui::OpenPopup("plot menu");
    }
    if (io.KeyCtrl && ImGui::IsKeyPressed(ImGuiKey_C, false) && !text.empty()) {
      ImGui::SetClipboardText(text.c_str());
      ui.status = "copied: " + text;
    }
  }
  plot_menu(ui, figure, memory);
  return click;
}

// All lines; the one that the mouse was at last is drawn over the others, which step back.
void draw_lines(Ui& ui, const Figure& figure, const std::string& lifted) {
  const auto is_lifted = [&](const Series& series) { return !lifted.empty() && series.name == lifted; };
  const bool any = std::any_of(figure.series.begin(), figure.series.end(), is_lifted);
  for (const Series& series : figure.series) {
    if (!is_lifted(series)) draw_series(ui, series, figure.y, any ? Emphasis::faded : Emphasis::plain);
  }
  for (const Series& series : figure.series) {
    if (is_lifted(series)) draw_series(ui, series, figure.y, Emphasis::lifted);
  }
}

PlotClick draw_plot(Ui& ui, const Figure& figure, std::uint64_t version, ImVec2 size) {
  PlotMemory& memory = ui.plots[figure.name];
  const float room = figure.heatmap ? kColourBarRoom * ui.scale : end_label_room(ui, figure, size);
  PlotClick click;
  ImPlotFlags flags = ImPlotFlags_NoTitle | ImPlotFlags_NoLegend | ImPlotFlags_NoMenus | ImPlotFlags_NoMouseText;
  if (ui.exporting) flags |= ImPlotFlags_NoInputs;
  ImGui::PushStyleVar(ImGuiStyleVar_FrameBorderSize, 0.0F);
  if (ImPlot::BeginPlot(figure.name.c_str(), ImVec2(size.x - room, size.y), flags)) {
    set_up_axes(ui, figure, ImVec2(size.x - room, size.y), memory);
    ImPlot::SetupFinish();
    if (figure.heatmap && figure.heatmap->values) draw_heatmap(figure, version, memory);
    draw_lines(ui, figure, memory.lifted);
    draw_selection(ui, figure);
    draw_point_labels(ui, figure);
    const Series* named = draw_end_labels(ui, figure, size, room, memory.lifted);
    if (!ui.exporting) {
      if (named == nullptr && ImPlot::IsPlotHovered()) named = line_at_mouse(figure, kLineReach * ui.scale);
      memory.lifted = named != nullptr ? named->name : std::string();
      click = plot_input(ui, figure, memory);
    }
    const ImVec2 at = ImPlot::GetPlotPos(), area = ImPlot::GetPlotSize();
    ImPlot::EndPlot();
    if (figure.heatmap) draw_colour_bar(ui, *figure.heatmap, ImVec2(at.x + area.x + 10 * ui.scale, at.y), area.y);
  }
  ImGui::PopStyleVar();
  return click;
}

}  // namespace

void draw_title(Ui& ui, const Figure& figure) {
  ImGui::PushFont(ui.fonts.bold, ui.exporting ? kTitleSize + 2 : kTextSize);
  ImGui::TextWrapped("%s", figure.title.c_str());
  ImGui::PopFont();
  if (figure.subtitle.empty()) return;
  ImGui::PushFont(nullptr, kSmallSize);
  ImGui::PushStyleColor(ImGuiCol_Text, ui.theme.muted);
  ImGui::TextWrapped("%s", figure.subtitle.c_str());
  ImGui::PopStyleColor();
  ImGui::PopFont();
}

void draw_message(Ui& ui, std::string_view text, ImVec2 size) {
  const ImVec2 start = ImGui::GetCursorPos();
  const float width = std::max(40.0F, std::min(size.x - 20 * ui.scale, 420 * ui.scale));
  const ImVec2 extent = ImGui::CalcTextSize(text.data(), text.data() + text.size(), false, width);
  ImGui::Dummy(ImVec2(std::max(1.0F, size.x), std::max(1.0F, size.y)));
  ImGui::SetCursorPos(
      ImVec2(start.x + std::max(0.0F, (size.x - extent.x) / 2), start.y + std::max(0.0F, (size.y - extent.y) / 2)));
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
  ImGui::PushStyleColor(ImGuiCol_Text, ui.theme.muted);
  ImGui::TextUnformatted(text.data(), text.data() + text.size());
  ImGui::PopStyleColor();
  ImGui::PopTextWrapPos();
  ImGui::SetCursorPos(ImVec2(start.x, start.y + std::max(1.0F, size.y)));
  ImGui::Dummy(ImVec2(1, 1));
}

PlotClick draw_figure(Ui& ui, std::string_view name, ImVec2 size) {
  const FigureSlot& slot = ui.session.figure(name);
  if (!slot.figure || slot.figure->table) {
    draw_message(ui, !slot.error.empty() ? slot.error : slot.pending ? "reading ..." : "nothing is open", size);
    return {};
  }
  return draw_plot_figure(ui, *slot.figure, slot.version, size);
}

PlotClick draw_plot_figure(Ui& ui, const Figure& figure, std::uint64_t version, ImVec2 size) {
  const float top = ImGui::GetCursorPosY();
  draw_title(ui, figure);
  std::string notes;
  for (const std::string& note : figure.notes) notes += (notes.empty() ? "" : "; ") + note;
  ImGui::PushFont(nullptr, kSmallSize);
  const float note_height =
      notes.empty() ? 0 : ImGui::CalcTextSize(notes.c_str(), nullptr, false, size.x).y + 3 * ui.scale;
  ImGui::PopFont();
  const auto rest = [&] {
    return size.y - (ImGui::GetCursorPosY() - top) - note_height - ImGui::GetStyle().ItemSpacing.y;
  };
  draw_legend(ui, figure, ImVec2(size.x, ui.exporting ? rest() : rest() - kRoomyPlot * ui.scale));
  const float height = rest();
  if (size.x < kSmallestPlot || height < kSmallestPlot) return {};
  const PlotClick click = draw_plot(ui, figure, version, ImVec2(size.x, height));
  if (!notes.empty()) {
    ImGui::PushFont(nullptr, kSmallSize);
    ImGui::PushStyleColor(ImGuiCol_Text, ui.theme.muted);
    ImGui::TextWrapped("%s", notes.c_str());
    ImGui::PopStyleColor();
    ImGui::PopFont();
  }
  return click;
}

}  // namespace kvwave::viewer
