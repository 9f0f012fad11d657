// How much memory a run takes at most, said before it starts.
#pragma once

#include <cstdint>
#include <string>

#include "replay/replay_plan.h"

namespace kvwave::replay {

/// What the largest trace of a plan needs while it is replayed, in bytes. Traces are replayed one after another, and of
/// a trace one layer is in memory, so a trace may be larger than memory.
struct MemoryBound {
  std::uint64_t layer = 0;  ///< queries, keys and values of one layer as fp32, twice: as read and as arranged; those of
                            ///< all layers, where they fit, for allocators that move budget between layers
  std::uint64_t evictions = 0;  ///< what each step reads, for every simulation; all layers where details are kept
  std::uint64_t sums = 0;       ///< figures per step, head and bin
  std::uint64_t thread = 0;     ///< of each thread: one tile of rows, whose lines are positions, and scratch
  std::uint64_t total(unsigned n_threads) const { return layer + evictions + sums + n_threads * thread; }
};

MemoryBound memory_bound(const Sequence& sequence, const Sweep& sweep, const ReplayOptions& options);

/// "memory: at most ... for TRACE: ...", of the trace that needs most.
std::string memory_bound_text(const ReplayPlan& plan, unsigned n_threads);

}  // namespace kvwave::replay
