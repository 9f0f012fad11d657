#include "replay/evaluate.h"

#include <algorithm>

#include "replay/column_views.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kTaskSteps = 8 * kTileSteps;  // one task walks these in order
constexpr std::uint32_t kSpanSteps = 1024;            // figures held at a time, so that memory does not follow length

}  // namespace

void evaluate_layer(const LayerTensors& tensors, const Sweep& sweep, std::span<const LayerResidency> residency,
                    const Metrics& metrics, kernels::ThreadPool& pool, MetricSums& sums) {
  const Sequence& sequence = tensors.sequence();
  const ColumnViews views(sequence, sweep, residency);
  sums.add_residency(tensors.layer(), residency, views.counts);

  LayerScores scores;
  std::vector<TileEvaluator> evaluators(pool.size(), TileEvaluator(sequence, metrics));
  std::vector<ProbabilityTile> tiles(pool.size());
  const std::size_t n_positions = metrics.recall ? sequence.n_positions : 0;
  std::vector<std::int32_t> last_needed(sequence.n_kv_heads * n_positions, -1);
  std::vector<std::vector<std::int32_t>> task_needed;
  for (std::uint32_t begin = 0; begin < sequence.n_steps(); begin += kSpanSteps) {
    const std::uint32_t end = std::min(begin + kSpanSteps, sequence.n_steps());
    scores.reset(sequence, metrics, sweep.n_columns(), begin, end);
    const std::uint32_t per_head = (end - begin + kTaskSteps - 1) / kTaskSteps;
    task_needed.assign(std::size_t{sequence.n_kv_heads} * per_head, {});
    pool.parallel_for(task_needed.size(), [&](std::size_t task, unsigned worker) {
      const auto kv_head = static_cast<std::uint32_t>(task / per_head);
      const auto part = static_cast<std::uint32_t>(task % per_head);
      const std::uint32_t first = begin + part * kTaskSteps;
      const std::uint32_t last = std::min(first + kTaskSteps, end);
      task_needed[task].assign(n_positions, -1);
      evaluators[worker].start(views.heads[kv_head], kv_head, first);
      for (std::uint32_t step = first; step < last; step += kTileSteps) {
        recompute_rows(tensors, kv_head, sequence.n_prompt + step, std::min(kTileSteps, last - step), tiles[worker]);
        evaluators[worker].evaluate(tiles[worker], &tensors, scores, task_needed[task]);
      }
    });
    for (std::size_t task = 0; task < task_needed.size(); ++task) {
      std::int32_t* const latest = last_needed.data() + task / per_head * n_positions;
      for (std::size_t i = 0; i < n_positions; ++i) latest[i] = std::max(latest[i], task_needed[task][i]);
    }
    sums.add_scores(tensors.layer(), scores);
  }
  if (metrics.recall) sums.add_needed(tensors.layer(), residency, last_needed);
  sums.finish_layer(tensors.layer());
}

}  // namespace kvwave::replay
