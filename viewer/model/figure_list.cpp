#include "viewer/model/figure_list.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "viewer/model/figures.h"

namespace kvwave::viewer {
namespace {

std::string strategies(const ViewState& view) {
  return fmt::format("{} {}", view.selection.a, view.selection.b);
}
std::string layer_head(const ViewState& view) {
  return fmt::format("{} {}", view.selection.layer, view.selection.q_head);
}
// What the head figures show, without layer and cursor. Demand does not depend on strategies.
std::string head_values(const ViewState& view) {
  if (view.value == HeadValue::demand) return fmt::format("demand {}", view.rho);
  return fmt::format("{} {} {}", static_cast<int>(view.value), static_cast<int>(view.compared), strategies(view));
}
std::string scope(const ViewState& view) {
  if (view.scope == TokenScope::all_heads) return "all";
  return fmt::format("{} {}", static_cast<int>(view.scope), layer_head(view));
}

std::string wave_key(const ViewState& view) {
  // Budgets on top are those at the cursor.
  return fmt::format("{} {} {} {} {} {}", view.rho, view.window_only, view.window, view.normalised, view.step,
                     strategies(view));
}
std::string wave_time_key(const ViewState& view) {
  return std::to_string(view.rho);
}
std::string heads_time_key(const ViewState& view) {
  return fmt::format("{} {}", head_values(view), view.selection.layer);
}
std::string heads_layers_key(const ViewState& view) {
  return fmt::format("{} {}", head_values(view), view.step);
}
std::string heads_all_key(const ViewState& view) {
  return head_values(view);
}
std::string attention_row_key(const ViewState& view) {
  return fmt::format("{} {} {}", layer_head(view), view.step, strategies(view));
}
std::string tokens_key(const ViewState& view) {
  return fmt::format("{} {} {}", scope(view), view.step, strategies(view));
}
std::string residency_key(const ViewState& view) {
  return fmt::format("{} {} {}", scope(view), static_cast<int>(view.compared), strategies(view));
}
std::string metric_key(const ViewState& view) {
  return fmt::format("{} {}", view.metric, strategies(view));
}
std::string compare_key(const ViewState& view) {
  return fmt::format("{} {} {}", metric_key(view), view.minus_b, view.all_controls);
}
std::string layers_key(const ViewState& view) {
  return view.at_cursor ? fmt::format("{} {}", metric_key(view), view.step) : metric_key(view);
}
std::string constant_key(const ViewState&) {
  return "";
}

constexpr std::array kFigures = {
    FigureEntry{"wave", "mean demand by layer with spread, profile and budgets", Lane::quick, wave_key, wave_figure},
    FigureEntry{"wave-time", "mean demand, layers x steps", Lane::quick, wave_time_key, wave_time_figure},
    FigureEntry{"heads-time", "heads of the selected layer x steps", Lane::slow, heads_time_key, heads_time_figure},
    FigureEntry{"heads-layers", "layers x heads at the cursor", Lane::slow, heads_layers_key, heads_layers_figure},
    FigureEntry{"heads-all", "all heads x steps", Lane::slow, heads_all_key, heads_all_figure},
    FigureEntry{"attention-row", "one attention row, kept and dropped", Lane::quick, attention_row_key,
                attention_row_figure},
    FigureEntry{"attention-map", "all rows of one q_head x positions", Lane::slow, layer_head, attention_map_figure},
    FigureEntry{"tokens", "the text, coloured by who holds each token", Lane::quick, tokens_key, tokens_figure},
    FigureEntry{"residency", "positions x steps: who holds what when", Lane::slow, residency_key, residency_figure},
    FigureEntry{"compare", "metric against budget", Lane::quick, compare_key, compare_figure},
    FigureEntry{"frontier", "metric against realised memory", Lane::quick, compare_key, frontier_figure},
    FigureEntry{"compare-layers", "metric of A and B by layer and q_head", Lane::quick, layers_key,
                compare_layers_figure},
    FigureEntry{"compare-steps", "metric of A and B over time", Lane::quick, metric_key, compare_steps_figure},
    FigureEntry{"ledger", "requested against realised memory", Lane::quick, strategies, ledger_figure},
    FigureEntry{"run", "provenance of trace and results", Lane::quick, constant_key, run_figure},
};

}  // namespace

std::span<const FigureEntry> figure_list() {
  return kFigures;
}

const FigureEntry* find_figure(std::string_view name) {
  const auto found =
      std::find_if(kFigures.begin(), kFigures.end(), [&](const FigureEntry& f) { return f.name == name; });
  return found == kFigures.end() ? nullptr : &*found;
}

}  // namespace kvwave::viewer
