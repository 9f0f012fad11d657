// Reasoning Wave: where the model needs memory, by layer and over time.
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

void controls(Ui& ui, int& shown) {
  constexpr std::array kShown = {"By layer", "Over time"};
  choice("shown", kShown, shown);
  ViewState view = ui.view();
  flow(92 * ui.scale);
  ImGui::SetNextItemWidth(92 * ui.scale);
  const auto& rho = ui.session.trace().info.rho;
  if (ImGui::BeginCombo("##rho", fmt::format("rho {:g}", rho[view.rho]).c_str())) {
    for (std::size_t i = 0; i < rho.size(); ++i) {
      if (ImGui::Selectable(fmt::format("rho {:g}", rho[i]).c_str(), i == view.rho)) view.rho = i;
    }
    ImGui::EndCombo();
  }
  ImGui::SetItemTooltip("demand N(rho): the smallest number of tokens whose attn_prob sums to rho");
  if (shown == 0) {
    flowing_checkbox("window", view.window_only);
    ImGui::SetItemTooltip("mean over the steps before the cursor instead of the whole run; play to see the wave move");
    if (view.window_only) {
      flow(72 * ui.scale);
      ImGui::SetNextItemWidth(72 * ui.scale);
      int window = static_cast<int>(view.window);
      if (ImGui::DragInt("##window", &window, 1, 1, 100000, "%d steps"))
        view.window = static_cast<std::uint32_t>(std::max(1, window));
    }
    flowing_checkbox("normalised", view.normalised);
    ImGui::SetItemTooltip("each wave divided by its mean: shapes of different models compare");
  }
  ui.set_view(std::move(view));
}

}  // namespace

void wave_panel(Ui& ui) {
  int& shown = ui.tabs.wave;
  controls(ui, shown);
  const PlotClick click = draw_figure(ui, shown == 0 ? "wave" : "wave-time", ImGui::GetContentRegionAvail());
  if (!click.clicked) return;
  ViewState view = ui.view();
  const double layer = shown == 0 ? click.x : click.y;
  view.selection.layer = static_cast<std::uint32_t>(std::max(0L, std::lround(layer)));
  if (shown == 1) view.step = static_cast<std::uint32_t>(std::max(0L, std::lround(click.x)));
  ui.set_view(std::move(view));
}

}  // namespace kvwave::viewer
