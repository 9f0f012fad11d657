// Phase 1: what one strategy keeps in one layer, from the prompt to the last step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/head_statistics.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// The outcome in one layer. For a destructive strategy this is all there is: position i is visible in decode step s
/// when i <= n_prompt + s and s < evicted_at[i].
struct LayerResidency {
  std::uint32_t n_caches = 0;              ///< Hr: KV heads, or query heads where each holds its own entries
  std::vector<std::int32_t> evicted_at;    ///< [Hr, P]; 0 = dropped with the prompt, kNever = kept
  std::vector<std::int32_t> refresh_step;  ///< [F] ascending: -1, then the steps after which a budget changed
  std::vector<std::int32_t> budget;        ///< [F, Hr] in force after that step; empty for the full cache

  /// Entries that attention reads in each step: [Hkv, n_steps].
  std::vector<std::uint32_t> resident_counts(const Sequence& sequence) const;
};

/// Positions after whose step a rule acts (the prompt's last position stands for the cut after the prompt), ascending.
std::vector<std::uint32_t> refresh_positions(const alloc::RefreshRule& rule, const Sequence& sequence);

/// What the full cache holds.
LayerResidency full_residency(const Sequence& sequence);

/// Runs `simulation` over one layer, all its KV heads together (an allocator may move budget between them).
/// `source.tensors` may be null when the scorer needs no statistics, `source.future` when it does not look ahead.
/// `trace_key`: first 8 bytes of the trace's content hash, for random streams. Deterministic.
/// Throws BadBudget when prompt=protect does not fit a head's budget.
LayerResidency simulate_layer(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                              const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch);

}  // namespace kvwave::replay
