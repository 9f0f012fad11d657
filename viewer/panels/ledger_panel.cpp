// Ledger and run info: what memory was asked for and taken, and where everything comes from.
#include <array>

#include "viewer/panels/controls.h"
#include "viewer/panels/plot.h"
#include "viewer/panels/table.h"

namespace kvwave::viewer {

void ledger_panel(Ui& ui) {
  int& shown = ui.tabs.ledger;
  constexpr std::array kShown = {"Ledger", "Run"};
  choice("shown", kShown, shown);
  ImGui::SameLine();
  const std::string command = ui.session.command() + show_options(ui.tabs);
  if (ImGui::Button("Copy command")) {
    ImGui::SetClipboardText(command.c_str());
    ui.status = "copied: " + command;
  }
  ImGui::SetItemTooltip("the command that opens this view again:\n%s", command.c_str());
  draw_table_figure(ui, shown == 0 ? "ledger" : "run", ImGui::GetContentRegionAvail());
}

}  // namespace kvwave::viewer
