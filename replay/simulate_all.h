// Phase 1 of all simulations of a sweep in one layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/layer_simulation.h"
#include "replay/simulate.h"

namespace kvwave::replay {

/// One that all layers took in step so far (lock_step.h): steps before next_position are done.
struct StartedSimulation {
  std::size_t simulation = 0;
  std::unique_ptr<LayerSimulation> state;
  std::uint32_t next_position = 0;
};

/// What each simulation keeps in `layer`. Rows that several of them look at are computed once. Parts of `source` may be
/// null when nothing needs them. `trace_key`: first 8 bytes of the trace's content hash, for random streams. `started`:
/// those to be continued. scratch: one per thread. Deterministic, whatever the number of threads.
/// Throws BadBudget when protected positions do not fit a cache's budget.
std::vector<LayerResidency> simulate_all(std::span<const Simulation> simulations, const Sequence& sequence,
                                         std::uint32_t layer, const StatisticsSource& source, std::uint64_t trace_key,
                                         std::span<StartedSimulation> started, kernels::ThreadPool& pool,
                                         std::vector<StatisticsScratch>& scratch);

}  // namespace kvwave::replay
