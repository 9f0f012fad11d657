#include "viewer/panels/panel_tabs.h"

#include <algorithm>
#include <array>
#include <span>

namespace kvwave::viewer {
namespace {

constexpr std::array<std::string_view, 2> kWave = {"wave", "wave-time"};
constexpr std::array<std::string_view, 3> kHeads = {"heads-all", "heads-layers", "heads-time"};
constexpr std::array<std::string_view, 2> kAttention = {"attention-row", "attention-map"};
constexpr std::array<std::string_view, 2> kTokens = {"tokens", "residency"};
constexpr std::array<std::string_view, 4> kCompare = {"compare", "frontier", "compare-layers", "compare-steps"};
constexpr std::array<std::string_view, 2> kLedger = {"ledger", "run"};

struct Panel {
  int PanelTabs::*tab;
  std::span<const std::string_view> figures;
};
constexpr std::array<Panel, 6> kPanels = {{{&PanelTabs::wave, kWave},
                                           {&PanelTabs::heads, kHeads},
                                           {&PanelTabs::attention, kAttention},
                                           {&PanelTabs::tokens, kTokens},
                                           {&PanelTabs::compare, kCompare},
                                           {&PanelTabs::ledger, kLedger}}};

}  // namespace

bool bring_to_front(std::string_view figure, PanelTabs& tabs) {
  for (const Panel& panel : kPanels) {
    const auto found = std::find(panel.figures.begin(), panel.figures.end(), figure);
    if (found == panel.figures.end()) continue;
    tabs.*panel.tab = static_cast<int>(found - panel.figures.begin());
    return true;
  }
  return false;
}

std::vector<std::string_view> in_front(const PanelTabs& tabs) {
  std::vector<std::string_view> names;
  for (const Panel& panel : kPanels) names.push_back(panel.figures[static_cast<std::size_t>(tabs.*panel.tab)]);
  return names;
}

std::string show_options(const PanelTabs& tabs) {
  const std::vector<std::string_view> front = in_front(tabs);
  std::string text;
  for (std::size_t i = 0; i < front.size(); ++i) {
    if (front[i] != kPanels[i].figures.front()) text += " --show " + std::string(front[i]);
  }
  return text;
}

}  // namespace kvwave::viewer
