// Attention of one head: the row at the cursor, or all rows.
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

// "layer 3", to drag or to type; true when changed.
bool spin(const char* name, std::uint32_t& value, std::uint32_t n, float scale) {
  int shown = static_cast<int>(value);
  flow(88 * scale);
  ImGui::SetNextItemWidth(88 * scale);
  const std::string format = std::string(name) + " %d";
  const bool changed =
      ImGui::DragInt(("##" + std::string(name)).c_str(), &shown, 0.15F, 0, static_cast<int>(n) - 1, format.c_str());
  ImGui::SetItemTooltip("drag, or double click to type; keys Up and Down, [ and ]");
  if (!changed) return false;
  value = static_cast<std::uint32_t>(std::clamp(shown, 0, static_cast<int>(n) - 1));
  return true;
}

}  // namespace

void attention_panel(Ui& ui) {
  int& shown = ui.tabs.attention;
  constexpr std::array kShown = {"Row at cursor", "All rows"};
  choice("shown", kShown, shown);
  Selection selection = ui.view().selection;
  const traces::ModelShape& shape = ui.session.trace().info.shape;
  spin("layer", selection.layer, shape.n_layers, ui.scale);
  spin("q_head", selection.q_head, shape.n_q_heads, ui.scale);
  ui.select(selection);

  const PlotClick click =
      draw_figure(ui, shown == 0 ? "attention-row" : "attention-map", ImGui::GetContentRegionAvail());
  if (!click.clicked) return;
  ViewState view = ui.view();
  view.selection.position = static_cast<std::uint32_t>(std::max(0L, std::lround(click.x)));
  if (shown == 1) {
    const long step = std::lround(click.y) - static_cast<long>(ui.session.trace().info.n_prompt);
    if (step >= 0) view.step = static_cast<std::uint32_t>(step);
  }
  ui.scroll_to = view.selection.position;
  ui.set_view(std::move(view));
}

}  // namespace kvwave::viewer
