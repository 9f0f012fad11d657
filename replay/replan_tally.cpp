#include "replay/replan_tally.h"

namespace kvwave::replay {

namespace {

struct PlanFigures {
  double unused = kNoFigure, floors = kNoFigure, caps = kNoFigure;
};

// Means over refreshes where layers move, else what the plan before the run says.
PlanFigures figures_of(const Simulation& simulation, const ReplanTally& tally, const Sequence& sequence) {
  if (tally.n_replans == 0) {
    // Nothing was dropped, so nothing was planned anew.
    const double unused = simulation.allocator->replans_layers() ? 0.0 : kNoFigure;
    return {unused, static_cast<double>(simulation.plan.floors_hit), static_cast<double>(simulation.plan.caps_hit)};
  }
  const double n = tally.n_replans;
  const double caches = double{1} * sequence.n_layers * n_caches(simulation.scorer->rule().granularity, sequence);
  return {static_cast<double>(tally.unused) / (n * caches), static_cast<double>(tally.floors_hit) / n,
          static_cast<double>(tally.caps_hit) / n};
}

}  // namespace

void ReplanTally::add(const alloc::ReplanReport& report) {
  ++n_replans;
  unused += report.unused;
  floors_hit += report.floors_hit;
  caps_hit += report.caps_hit;
}

void set_plan_figures(const Sweep& sweep, const Sequence& sequence, std::span<const ReplanTally> tallies,
                      std::span<ConfigurationSummary> summaries) {
  for (std::size_t c = 0; c < summaries.size(); ++c) {
    const Configuration& configuration = sweep.configurations[c];
    if (!is_strategy(configuration.kind)) continue;
    const auto n = static_cast<double>(configuration.simulations.size());
    PlanFigures sum{0, 0, 0};
    for (const std::uint32_t s : configuration.simulations) {
      const PlanFigures one = figures_of(sweep.simulations[s], tallies.empty() ? ReplanTally() : tallies[s], sequence);
      sum.unused += one.unused;  // NaN for all of a configuration or for none
      sum.floors += one.floors;
      sum.caps += one.caps;
    }
    summaries[c].total.granted_unused = sum.unused / n;
    summaries[c].total.floors_hit = sum.floors / n;
    summaries[c].total.caps_hit = sum.caps / n;
  }
}

}  // namespace kvwave::replay
