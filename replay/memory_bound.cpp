#include "replay/memory_bound.h"

#include <algorithm>

#include <fmt/format.h>

#include "replay/evaluate.h"
#include "replay/full_rows.h"
#include "replay/layer_tensors.h"
#include "replay/lock_step.h"
#include "replay/metric_sums.h"
#include "replay/packed_residency.h"
#include "traces/progress.h"

namespace kvwave::replay {
namespace {

constexpr std::uint64_t kStepSums = 6, kHeadSums = 6;  // fp64 sums per column and step, and per column and head
constexpr std::uint64_t kBinSums = 3;                  // fp64 per column, bin and head
constexpr std::uint64_t kScores = 3;                   // fp32 per column and row, and per column, KV head and step
constexpr std::uint64_t kThreadBytes = std::uint64_t{8} << 20U;  // scratch of one worker
constexpr std::uint64_t kEventBytes = 8;  // of each eviction in the order of time, one layer; beside it resident counts
constexpr std::uint64_t kTileCopies = 5;  // a tile's probabilities, as fp32 and whole numbers, marks twice, the kept

}  // namespace

MemoryBound memory_bound(const Sequence& sequence, const Sweep& sweep, const ReplayOptions& options, bool stored_rows) {
  const std::uint64_t positions = sequence.n_positions, steps = sequence.n_steps(), layers = sequence.n_layers,
                      q_heads = sequence.n_q_heads, kv_heads = sequence.n_kv_heads, columns = sweep.n_columns();
  MemoryBound bound;
  if (!stored_rows) {  // k, v and k of length 1, arranged, beside a block as it is read
    bound.layer = sequence.head_dim * sizeof(float) *
                  (positions * (q_heads + 3 * kv_heads) +
                   std::min<std::uint64_t>(positions, LayerTensors::kReadPositions) * (q_heads + 2 * kv_heads));
  }
  if (LockStep::wanted(sweep.simulations)) bound.layer += std::min(options.layer_bytes, layers * bound.layer);
  const bool looks_at_rows = std::any_of(sweep.simulations.begin(), sweep.simulations.end(),
                                         [](const Simulation& one) { return !one.is_full() && one.needs().rows; });
  if (looks_at_rows) {
    bound.layer += positions * sizeof(float) * (q_heads * FullRows::kBlock + kv_heads * sequence.head_dim);
  }
  const std::uint64_t n_kept = options.keep_details ? layers : 0, n_open = stored_rows ? layers : 1;
  const std::uint64_t packed_bytes =
      steps + 2 <= PackedSteps::kMostInTwoBytes ? sizeof(std::uint16_t) : sizeof(std::int32_t);
  for (const Simulation& simulation : sweep.simulations) {
    const bool is_full = simulation.is_full();
    const std::uint64_t caches =
        is_full ? kv_heads
                : std::max<std::uint64_t>(kv_heads, n_caches(simulation.scorer->rule().granularity, sequence));
    // Pages that come and go: at most a bit per position, and a count, in every step.
    const bool pages = !is_full && simulation.scorer->selects();
    const std::uint64_t lines = pages ? caches * steps * (positions / 8 + 2 * sizeof(std::uint32_t)) : 0;
    const bool in_step = !is_full && simulation.allocator->replans_layers();
    const std::uint64_t table = caches * positions * sizeof(std::int32_t);
    bound.evictions += std::max(n_kept, n_open) * lines + n_kept * caches * positions * packed_bytes +
                       (in_step ? layers : n_open) * table +
                       n_open * (kEventBytes * caches * positions + sizeof(std::uint32_t) * kv_heads * steps);
  }
  const std::uint64_t bins = options.keep_details ? kMostBins : 0;
  bound.sums = columns * (sizeof(double) * (steps * kStepSums + layers * q_heads * (kHeadSums + bins * kBinSums)) +
                          sizeof(float) * (2 * bins * layers * kv_heads + kScores * n_open * kv_heads * steps +
                                           kScores * q_heads * std::min<std::uint64_t>(steps, kSpanSteps)));
  const std::uint64_t rows = kTileSteps * sequence.group();
  const std::uint64_t lanes = (rows + kernels::kLaneBlock - 1) / kernels::kLaneBlock * kernels::kLaneBlock;
  bound.thread = kThreadBytes + kTileCopies * positions * lanes * sizeof(float);
  return bound;
}

std::string memory_bound_text(const ReplayPlan& plan, unsigned n_threads) {
  MemoryBound most;
  std::string path;
  for (const PlannedTrace& planned : plan.traces) {
    const Sweep sweep = build_sweep(plan.request, planned.survey.sequence, planned.demand);
    const MemoryBound bound = memory_bound(planned.survey.sequence, sweep, plan.options, !planned.survey.levels.qkv);
    if (bound.total(n_threads) <= most.total(n_threads)) continue;
    most = bound;
    path = planned.survey.path;
  }
  return fmt::format("memory: at most {} for {} (one layer {}, eviction tables {}, sums {}) and {} per thread",
                     traces::human_bytes(most.total(n_threads)), path, traces::human_bytes(most.layer),
                     traces::human_bytes(most.evictions), traces::human_bytes(most.sums),
                     traces::human_bytes(most.thread));
}

}  // namespace kvwave::replay
