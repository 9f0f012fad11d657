// Phase 2: one pass over the rows of a layer for all columns together.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/metric_sums.h"
#include "replay/simulate.h"
#include "replay/sweep.h"
#include "replay/tile_evaluator.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

/// Decode steps whose rows are recomputed together.
inline constexpr std::uint32_t kTileSteps = 16;
/// Decode steps whose figures are held at a time, so that memory does not follow a trace's length.
inline constexpr std::uint32_t kSpanSteps = 1024;

/// Rows recomputed from queries and keys. `residency`: [n_simulations] of this layer. The layer is finished in `sums`.
void evaluate_layer(const LayerTensors& tensors, const Sweep& sweep, std::span<const LayerResidency> residency,
                    const Metrics& metrics, kernels::ThreadPool& pool, MetricSums& sums);

/// Rows read from the attention level, all layers together: retained mass is then a lower bound and the mass that was
/// not stored its uncertainty. metrics.error must be off. `residency`: [n_layers][n_simulations].
/// `progress` is called with the number of steps done.
void evaluate_stored_rows(const traces::TraceReader& trace, const Sequence& sequence, const Sweep& sweep,
                          std::span<const std::vector<LayerResidency>> residency, const Metrics& metrics,
                          kernels::ThreadPool& pool, const std::function<void(std::uint32_t)>& progress,
                          MetricSums& sums);

}  // namespace kvwave::replay
