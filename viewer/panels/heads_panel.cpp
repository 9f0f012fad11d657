// Heads over time: which head has, holds, needs or keeps how much.
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

constexpr float kComparedRoom = 104;  // pixels of the choice between A, B and their difference
constexpr std::array kFigureNames = {"heads-all", "heads-layers", "heads-time"};

void controls(Ui& ui, int& shown) {
  constexpr std::array kShown = {"All heads", "At cursor", "One layer"};
  choice("shown", kShown, shown);
  ViewState view = ui.view();
  flow(120 * ui.scale);
  constexpr std::array kValues = {"demand", "budget", "residency", "retained mass"};
  int value = static_cast<int>(view.value);
  ImGui::SetNextItemWidth(120 * ui.scale);
  if (ImGui::BeginCombo("##value", kValues[static_cast<std::size_t>(value)])) {
    for (int i = 0; i < static_cast<int>(kValues.size()); ++i) {
      const bool there = i == 0 || ui.session.has_results();
      if (ImGui::Selectable(kValues[static_cast<std::size_t>(i)], i == value,
                            there ? 0 : ImGuiSelectableFlags_Disabled))
        value = i;
    }
    ImGui::EndCombo();
  }
  view.value = static_cast<HeadValue>(value);
  if (view.value != HeadValue::demand) {
    flow(kComparedRoom * ui.scale);
    constexpr std::array kCompared = {"A", "B", "A - B"};
    int compared = static_cast<int>(view.compared);
    choice("compared", kCompared, compared);
    view.compared = static_cast<Compared>(compared);
  }
  ui.set_view(std::move(view));
}

// Rows and columns of each of the three maps, as a selection.
void select_clicked(Ui& ui, int shown, const PlotClick& click) {
  ViewState view = ui.view();
  const traces::ModelShape& shape = ui.session.trace().info.shape;
  const bool q = view.value == HeadValue::demand;
  const auto x = static_cast<std::uint32_t>(std::max(0L, std::lround(click.x)));
  const auto y = static_cast<std::uint32_t>(std::max(0L, std::lround(click.y)));
  std::uint32_t head = 0;
  if (shown == 0) {
    const std::uint32_t heads = q ? shape.n_q_heads : shape.n_kv_heads;
    view.selection.layer = y / heads;
    head = y % heads;
    view.step = x;
  } else if (shown == 1) {
    view.selection.layer = y;
    head = x;
  } else {
    head = y;
    view.step = x;
  }
  view.selection.q_head = q ? head : head * shape.group();
  ui.set_view(std::move(view));
}

}  // namespace

void heads_panel(Ui& ui) {
  int& shown = ui.tabs.heads;
  controls(ui, shown);
  const PlotClick click =
      draw_figure(ui, kFigureNames[static_cast<std::size_t>(shown)], ImGui::GetContentRegionAvail());
  if (click.clicked) select_clicked(ui, shown, click);
}

}  // namespace kvwave::viewer
