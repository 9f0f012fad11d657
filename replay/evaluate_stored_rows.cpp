#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/retained_mass.h"
#include "replay/column_views.h"
#include "replay/evaluate.h"
#include "traces/reader.h"

namespace kvwave::replay {

namespace {

// Puts the stored entries of the tile's rows into a dense tile; what was not stored stays 0. Sums are formed in whole
// numbers (kernels/retained_mass.h): what a stored probability has below their unit, nothing in half precision, counts
// as not stored, so that the sums remain certified lower bounds.
void spread_rows(std::span<const traces::AttentionRows> rows, std::uint32_t layer, std::uint32_t kv_head,
                 std::uint32_t first_position, const Sequence& sequence, ProbabilityTile& tile, LayerScores& scores) {
  const std::uint32_t group = sequence.group();
  shape_tile(first_position, static_cast<std::uint32_t>(rows.size()), group, sequence.head_dim, tile);
  std::fill(tile.prob.begin(), tile.prob.end(), 0.0F);
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    const std::uint32_t q_head = kv_head * group + lane % group;
    const traces::AttentionRow row = rows[lane / group].row(layer, q_head);
    double lost = 0;
    for (std::size_t i = 0; i < row.position.size(); ++i) {
      const float kept = std::floor(row.prob[i] * kernels::kFixedOne) / kernels::kFixedOne;
      tile.prob[std::size_t{row.position[i]} * tile.shape.n_lanes + lane] = kept;
      lost += double{row.prob[i]} - kept;
    }
    scores.unknown(q_head, first_position + lane / group - sequence.n_prompt) =
        std::nextafter(static_cast<float>(row.residual + lost), 2.0F);
  }
}

}  // namespace

void evaluate_stored_rows(const traces::TraceReader& trace, const Sequence& sequence, const Sweep& sweep,
                          std::span<const std::vector<LayerResidency>> residency, const Metrics& metrics,
                          kernels::ThreadPool& pool, const std::function<void(std::uint32_t)>& progress,
                          MetricSums& sums) {
  std::vector<std::unique_ptr<ColumnViews>> views;
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    views.push_back(std::make_unique<ColumnViews>(sequence, sweep, residency[layer], pool));
    sums.add_residency(layer, residency[layer], views.back()->counts, views.back()->turnover, pool);
  }
  const std::size_t n_tasks = std::size_t{sequence.n_layers} * sequence.n_kv_heads;
  std::vector<std::vector<NeededEvent>> needed(n_tasks);
  std::vector<LayerScores> scores(sequence.n_layers);
  std::vector<TileEvaluator> evaluators(pool.size(), TileEvaluator(sequence, metrics));
  std::vector<ProbabilityTile> tiles(pool.size());
  std::vector<traces::AttentionRows> rows(kTileSteps);
  for (std::uint32_t begin = 0; begin < sequence.n_steps(); begin += kTileSteps) {
    const std::uint32_t end = std::min(begin + kTileSteps, sequence.n_steps());
    for (std::uint32_t step = begin; step < end; ++step) trace.attention(sequence.n_prompt + step, rows[step - begin]);
    for (LayerScores& layer : scores) layer.reset(sequence, metrics, sweep.n_columns(), begin, end);
    pool.parallel_for(n_tasks, [&](std::size_t task, unsigned worker) {
      const auto layer = static_cast<std::uint32_t>(task / sequence.n_kv_heads);
      const auto kv_head = static_cast<std::uint32_t>(task % sequence.n_kv_heads);
      spread_rows(std::span(rows).first(end - begin), layer, kv_head, sequence.n_prompt + begin, sequence,
                  tiles[worker], scores[layer]);
      evaluators[worker].start(views[layer]->heads[kv_head], kv_head, begin);
      evaluators[worker].evaluate(tiles[worker], nullptr, scores[layer], needed[task]);
    });
    for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) sums.add_scores(layer, scores[layer], pool);
    progress(end);
  }
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    if (metrics.recall) {
      std::vector<NeededSteps> steps;
      for (std::size_t h = 0; h < sequence.n_kv_heads; ++h) {
        const std::size_t task = std::size_t{layer} * sequence.n_kv_heads + h;
        steps.emplace_back(sequence.n_positions, std::span(needed).subspan(task, 1));
        needed[task] = {};
      }
      sums.add_needed(layer, residency[layer], steps, pool);
    }
    sums.finish_layer(layer, pool);
  }
}

}  // namespace kvwave::replay
