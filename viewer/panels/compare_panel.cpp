// Strategies against each other, with controls and intervals; A and B are chosen here.
#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "viewer/model/figures.h"
#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"

namespace kvwave::viewer {
namespace {

constexpr float kOneRow = 560;  // pixels that A, B and the checkboxes need side by side
constexpr std::array kFigureNames = {"compare", "frontier", "compare-layers", "compare-steps"};

void configuration_combo(Ui& ui, const char* id, const ImVec4& colour, float width, std::uint32_t& chosen) {
  const auto& all = ui.session.results().cache->reader().configurations();
  ImGui::PushStyleColor(ImGuiCol_Text, colour);
  ImGui::AlignTextToFramePadding();
  ImGui::TextUnformatted(id);
  ImGui::PopStyleColor();
  ImGui::SameLine(0, 5 * ui.scale);
  ImGui::SetNextItemWidth(std::max(80.0F, width));
  if (!ImGui::BeginCombo(fmt::format("##{}", id).c_str(), configuration_name(all[chosen]).c_str(),
                         ImGuiComboFlags_HeightLarge))
    return;
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    const std::string name = configuration_name(all[c]) + (all[c].control ? " (control)" : "");
    if (ImGui::Selectable(name.c_str(), c == chosen)) chosen = c;
    ImGui::SetItemTooltip("%s", all[c].full_text.c_str());
  }
  ImGui::EndCombo();
}

// The strategy of a line as A, with Shift as B; at the budget that was chosen where there is one.
void choose(Ui& ui, const std::string& line) {
  const auto& all = ui.session.results().cache->reader().configurations();
  Selection selection = ui.view().selection;
  std::uint32_t& chosen = ImGui::GetIO().KeyShift ? selection.b : selection.a;
  std::optional<std::uint32_t> found;
  for (std::uint32_t c = 0; c < all.size(); ++c) {
    if (line_name(all[c]) != line) continue;
    if (!found || all[c].budget == all[chosen].budget) found = c;
  }
  if (!found) return;
  chosen = *found;
  ui.select(selection);
}

void controls(Ui& ui, int& shown) {
  constexpr std::array kShown = {"Budget", "Memory", "Layers", "Time"};
  choice("shown", kShown, shown);
  ViewState view = ui.view();
  ImGui::SameLine();
  ImGui::SetNextItemWidth(std::max(80.0F, ImGui::GetContentRegionAvail().x));
  const ResultsCache& results = *ui.session.results().cache;
  const std::vector<std::string>& metrics = shown < 2 ? results.headline_metrics() : results.reader().metrics();
  if (ImGui::BeginCombo("##metric", metric_label(view.metric).c_str())) {
    for (const std::string& metric : metrics) {
      if (ImGui::Selectable(metric_label(metric).c_str(), metric == view.metric)) view.metric = metric;
    }
    ImGui::EndCombo();
  }
  const bool wide = ImGui::GetContentRegionAvail().x > kOneRow * ui.scale;
  if (shown < 2) {
    ImGui::Checkbox("minus B", &view.minus_b);
    ImGui::SetItemTooltip("differences to strategy B at the same budget: near lines come apart");
    flowing_checkbox("all controls", view.all_controls);
    ImGui::SetItemTooltip("controls too that lie far from the strategies and press them together");
  } else if (shown == 2) {
    ImGui::Checkbox("at cursor", &view.at_cursor);
    ImGui::SetItemTooltip("the steps around the time cursor instead of the whole run");
  }
  if (wide && shown < 3) ImGui::SameLine();
  const float room = ImGui::GetContentRegionAvail().x - 54 * ui.scale;
  configuration_combo(ui, "A", ui.theme.a, room / 2, view.selection.a);
  ImGui::SameLine();
  configuration_combo(ui, "B", ui.theme.b, room / 2, view.selection.b);
  ui.set_view(std::move(view));
}

}  // namespace

void compare_panel(Ui& ui) {
  int& shown = ui.tabs.compare;
  if (ui.session.has_results()) controls(ui, shown);
  const PlotClick click =
      draw_figure(ui, kFigureNames[static_cast<std::size_t>(shown)], ImGui::GetContentRegionAvail());
  if (!click.series.empty() && (shown < 2 || !click.clicked)) choose(ui, click.series);
  if (!click.clicked || shown < 2) return;
  ViewState view = ui.view();
  const auto at = static_cast<std::uint32_t>(std::max(0L, std::lround(click.x)));
  (shown == 2 ? view.selection.layer : view.step) = at;
  ui.set_view(std::move(view));
}

}  // namespace kvwave::viewer
