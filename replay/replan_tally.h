// What allocators reported of their plans over one run: bounds that acted, and budget that nothing could fill.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/summary.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// Sums of alloc::ReplanReport over the refreshes of one simulation; none where layer budgets do not move.
struct ReplanTally {
  std::uint32_t n_replans = 0;
  std::int64_t unused = 0;
  std::uint64_t floors_hit = 0, caps_hit = 0;

  void add(const alloc::ReplanReport& report);
};

/// Fills Figures::granted_unused, floors_hit and caps_hit of whole configurations, [C]. `tallies`: [n_simulations], or
/// empty when no layer budget moved.
void set_plan_figures(const Sweep& sweep, const Sequence& sequence, std::span<const ReplanTally> tallies,
                      std::span<ConfigurationSummary> summaries);

}  // namespace kvwave::replay
