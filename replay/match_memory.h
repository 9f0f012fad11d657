// The budget at which a strategy really reads the memory that was asked for: a cache that is cut every 128 steps, or an
// allocator that rounds up, reads more than its budget.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/sweep.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

/// Runs phase 1 of every strategy of `request` at trial budgets, by bisection, and returns for each asked budget
/// (entries per KV head) the budget whose mean over counted steps, layers and KV heads of the entries held in pages of
/// `page` is nearest to it: of two the lower. Budgets between the smallest that the strategy takes and twice the asked
/// one are tried; where even the smallest realises more than was asked, it is that one. `demand`, `trace_key`: as in
/// replay_trace(). Throws Error for allocators that move budget between layers during the run, MissingLevel,
/// BadBudget when the asked budget itself does not fit, Interrupted.
std::vector<SolvedBudget> match_memory(const traces::TraceReader& trace, std::uint64_t trace_key,
                                       const SweepRequest& request, const Sequence& sequence,
                                       std::span<const double> demand, std::uint32_t page, kernels::ThreadPool& pool);

}  // namespace kvwave::replay
