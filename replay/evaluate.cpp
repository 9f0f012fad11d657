#include "replay/evaluate.h"

#include <algorithm>

#include "replay/column_views.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kTaskSteps = 16 * kTileSteps;  // one task walks these in order

}  // namespace

void evaluate_layer(const LayerTensors& tensors, const Sweep& sweep, std::span<const LayerResidency> residency,
                    const Metrics& metrics, kernels::ThreadPool& pool, MetricSums& sums) {
  const Sequence& sequence = tensors.sequence();
  const ColumnViews views(sequence, sweep, residency, pool);
  sums.add_residency(tensors.layer(), residency, views.counts, views.turnover, pool);

  LayerScores scores;
  std::vector<TileEvaluator> evaluators(pool.size(), TileEvaluator(sequence, metrics));
  std::vector<ProbabilityTile> tiles(pool.size());
  std::vector<std::vector<std::vector<NeededEvent>>> needed(sequence.n_kv_heads);  // parts of each KV head
  for (std::uint32_t begin = 0; begin < sequence.n_steps(); begin += kSpanSteps) {
    const std::uint32_t end = std::min(begin + kSpanSteps, sequence.n_steps());
    scores.reset(sequence, metrics, sweep.n_columns(), begin, end);
    const std::uint32_t per_head = (end - begin + kTaskSteps - 1) / kTaskSteps;
    const std::size_t part_0 = needed.front().size();
    for (auto& parts : needed) parts.resize(part_0 + per_head);
    pool.parallel_for(std::size_t{sequence.n_kv_heads} * per_head, [&](std::size_t task, unsigned worker) {
      const auto kv_head = static_cast<std::uint32_t>(task / per_head);
      const auto part = static_cast<std::uint32_t>(task % per_head);
      const std::uint32_t first = begin + part * kTaskSteps;
      const std::uint32_t last = std::min(first + kTaskSteps, end);
      evaluators[worker].start(views.heads[kv_head], kv_head, first);
      for (std::uint32_t step = first; step < last; step += kTileSteps) {
        recompute_rows(tensors, kv_head, sequence.n_prompt + step, std::min(kTileSteps, last - step), tiles[worker]);
        evaluators[worker].evaluate(tiles[worker], &tensors, scores, needed[kv_head][part_0 + part]);
      }
    });
    sums.add_scores(tensors.layer(), scores, pool);
  }
  if (metrics.recall) {
    std::vector<NeededSteps> steps(sequence.n_kv_heads);
    pool.parallel_for(steps.size(), [&](std::size_t kv_head, unsigned) {
      steps[kv_head] = NeededSteps(sequence.n_positions, needed[kv_head]);
    });
    sums.add_needed(tensors.layer(), residency, steps, pool);
  }
  sums.finish_layer(tensors.layer(), pool);
}

}  // namespace kvwave::replay
