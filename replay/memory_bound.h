// How much memory a run takes at most, said before it starts.
#pragma once

#include <cstdint>
#include <string>

#include "replay/replay_plan.h"

namespace kvwave::replay {

/// What the largest trace of a plan needs while it is replayed, in bytes. Traces are replayed one after another, and of
/// a trace one layer is in memory, so a trace may be larger than memory.
///
/// Everything here is fixed by configurations and model but for four parts that follow a trace's length P:
///  - one layer's queries, keys (twice: also of length 1) and values as fp32, since any step may ask for any position;
///  - one layer's residencies while it is evaluated, and those of finished layers until results.h5 is written: packed
///    into 1 to 2 bytes per position, KV head, layer and configuration (an eviction table has 4). Selections name in
///    each step what they read, a bit per page: P^2 / (8 page) bytes, which nothing bounds but their page;
///  - figures per step and configuration: sums over layers, and one layer's of each KV head, whose worst tenth can only
///    be told when all steps are there;
///  - a tile of 16 rows per thread.
/// Rows that come from the attention level are the exception: they are stored step by step, so all layers' residencies
/// are there at once, unpacked.
struct MemoryBound {
  std::uint64_t layer = 0;      ///< queries, keys and values of one layer; those of all layers, where they fit, for
                                ///< allocators that move budget between layers
  std::uint64_t evictions = 0;  ///< what each step reads, for every simulation; all layers where details are kept
  std::uint64_t sums = 0;       ///< figures per step, head and bin
  std::uint64_t thread = 0;     ///< of each thread: one tile of rows, whose lines are positions, and scratch
  std::uint64_t total(unsigned n_threads) const { return layer + evictions + sums + n_threads * thread; }
};

/// `stored_rows`: rows come from the attention level.
MemoryBound memory_bound(const Sequence& sequence, const Sweep& sweep, const ReplayOptions& options, bool stored_rows);

/// "memory: at most ... for TRACE: ...", of the trace that needs most.
std::string memory_bound_text(const ReplayPlan& plan, unsigned n_threads);

}  // namespace kvwave::replay
