// Both phases over a small trace in memory, for tests that look at single sums and figures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "replay/metric_sums.h"
#include "replay/simulate.h"
#include "replay/sweep.h"
#include "tests/replay/synthetic_trace.h"

namespace kvwave::replay {

struct TraceCase {
  std::uint64_t seed;
  std::uint32_t group, n_kv_heads, head_dim, n_prompt, n_positions;
  traces::FloatType dtype;
};
/// A trace of two layers.
SyntheticTrace trace_of(const TraceCase& c);

struct Replayed {
  Sequence sequence;
  Sweep sweep;
  std::vector<std::vector<LayerResidency>> residency;  // [n_layers][n_simulations]
  std::unique_ptr<MetricSums> sums;
};

/// A mixture of triggers and allocators, as strategies.
extern const std::vector<std::string> kMixed;
/// Cuts in every step, caches of query heads and of whole layers, pages that come back.
extern const std::vector<std::string> kEveryStep;

std::unique_ptr<Replayed> run_replay(const SyntheticTrace& trace, const std::vector<std::string>& strategies,
                                     unsigned threads, bool controls = true,
                                     std::vector<std::uint32_t> budgets = {12, 20}, const Metrics& metrics = {});

/// What a column sees in a step, ceilings included: one flag per position 0 .. n_prompt + step.
std::vector<bool> seen(const Replayed& run, const SyntheticTrace& trace, std::uint32_t column, std::uint32_t layer,
                       std::uint32_t q_head, std::uint32_t step);

}  // namespace kvwave::replay
