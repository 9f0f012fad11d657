// Which of a panel's figures is in front, and the names by which commands say so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvwave::viewer {

/// Index of each panel's figure, in the order of its buttons.
struct PanelTabs {
  int wave = 0, heads = 0, attention = 0, tokens = 0, compare = 0, ledger = 0;
  bool operator==(const PanelTabs&) const = default;
};

/// Brings a figure to the front of its panel; false when no panel shows a figure of that name.
bool bring_to_front(std::string_view figure, PanelTabs& tabs);
/// Names of the figures that are in front, panel by panel.
std::vector<std::string_view> in_front(const PanelTabs& tabs);
/// " --show NAME" for every panel whose first figure is not the one in front.
std::string show_options(const PanelTabs& tabs);

}  // namespace kvwave::viewer
