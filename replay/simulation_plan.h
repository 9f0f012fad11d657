// The budgets over layers that a simulation starts with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "replay/sweep.h"

namespace kvwave::replay {

/// Sets `simulation.plan` from its allocator, scorer and budget. `demand`: [n_layers] Reasoning Wave or empty. Reads
/// the table that the allocator names. Throws BadBudget (with strategy and budget named), MissingProfile, BadTable.
void plan_simulation(Simulation& simulation, const Sequence& sequence, std::span<const double> demand);

/// `strategy` (not the full cache) with `scorer` in place of its own, planned to run with `budget`. Throws BadBudget,
/// MissingProfile.
Simulation planned_simulation(const alloc::Strategy& strategy, std::uint32_t asked, std::uint32_t budget,
                              std::shared_ptr<const alloc::Scorer> scorer, const Sequence& sequence,
                              std::span<const double> demand);

}  // namespace kvwave::replay
