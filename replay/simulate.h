// Phase 1: what one strategy keeps in one layer, from the prompt to the last step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/head_statistics.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// The outcome in one layer. A destructive strategy (page 0) is told by evicted_at alone: position i is visible in
/// decode step s when i <= n_prompt + s and s < evicted_at[i]. Others evict nothing and say in each step what attention
/// reads.
struct LayerResidency {
  std::uint32_t n_caches = 0;              ///< Hr: KV heads, or query heads where each holds its own entries
  std::vector<std::int32_t> evicted_at;    ///< [Hr, P]; 0 = dropped with the prompt, kNever = kept
  std::vector<std::int32_t> refresh_step;  ///< [F] ascending: -1, then the steps after which a budget changed
  std::vector<std::int32_t> budget;        ///< [F, Hr] in force after that step; empty for the full cache
  std::uint32_t page = 0;                  ///< 0: destructive; else positions per bit of `visible`
  std::vector<std::uint32_t> visible;      ///< [Hr, n_steps, line_words()] bit b of word w: page 32 w + b
  std::vector<std::uint32_t> moved;        ///< [Hr, n_steps] entries moved to or from the reservoir; offload only

  /// Words of one step's line of `visible`.
  std::size_t line_words(const Sequence& sequence) const;
  /// Caches that a KV head's query heads read: 1, or G.
  std::uint32_t caches_per_kv_head(const Sequence& sequence) const { return n_caches / sequence.n_kv_heads; }

  /// `budget` per KV head: [F, Hkv]; the mean over the group for caches of query heads.
  std::vector<std::int32_t> head_budgets(const Sequence& sequence) const;

  /// Entries that attention reads in each step: [Hkv, n_steps]. Caches of query heads are summed over the group: each
  /// holds its own copy.
  std::vector<std::uint32_t> resident_counts(const Sequence& sequence) const;
  /// Entries that take memory in each step: [Hkv, n_steps]. More than resident_counts() for selections, which hold
  /// everything; what an offloading strategy keeps elsewhere does not count.
  std::vector<std::uint32_t> held_counts(const Sequence& sequence, alloc::StrategyKind kind) const;
};

/// Positions after whose step a rule acts (the prompt's last position stands for the cut after the prompt), ascending.
/// Trigger::newline needs sequence.marks.
std::vector<std::uint32_t> refresh_positions(const alloc::RefreshRule& rule, const Sequence& sequence);

/// What the full cache holds.
LayerResidency full_residency(const Sequence& sequence);

/// One simulation in one layer, on the calling thread: simulate_all() for one. Not for allocators that replan layers.
/// `source.tensors` may be null when the scorer needs no statistics, `source.future` when it does not look ahead.
LayerResidency simulate_layer(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                              const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch);

}  // namespace kvwave::replay
