// Sums over one trace from which every figure is formed: over steps, over q_heads and over step bins, per column
// (simulations, then ceilings). Sums are fp64 and added in a fixed order; only the rows of one KV head in one step are
// first added in fp32.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/held_entries.h"
#include "replay/needed_positions.h"
#include "replay/simulate.h"
#include "replay/step_figures.h"
#include "replay/sweep.h"
#include "replay/tile_scores.h"
#include "replay/turnover.h"

namespace kvwave::replay {

inline constexpr std::uint32_t kMostBins = 128;

/// What a KV head of a column came to; index [layer][kv_head][column].
struct HeadOutcome {
  HeldEntries held;    ///< entries that attention reads
  HeldEntries memory;  ///< entries that take memory: the same, but for a selection all positions
  double moved = 0;    ///< entries moved to or from the reservoir, mean over counted steps; NaN without any
  NeededAfterEviction needed;
  WorstSteps mass, error, recall;  ///< lowest retained mass, largest output error, lowest recall of the counted steps
  Drops drops;                     ///< of retained mass over the counted steps
  float churn = 0;                 ///< share of residents that an eviction drops, mean over evictions; NaN without one
  float jaccard = 0;               ///< overlap of what two successive evictions leave; NaN with fewer than two
};

class MetricSums {
 public:
  /// `with_bins`: keep sums per step bin (for results.h5).
  MetricSums(const Sequence& sequence, const Sweep& sweep, const Metrics& metrics, bool with_bins);

  // Each call splits its work over the threads of `pool` by column, so that sums do not depend on their number.

  /// Adds the figures of `scores` (steps [begin, end) of one layer). Steps of a layer must come in order.
  void add_scores(std::uint32_t layer, LayerScores& scores, kernels::ThreadPool& pool);
  /// Adds what phase 1 found: [n_simulations] residencies, their resident_counts() and the turnover of each KV head.
  void add_residency(std::uint32_t layer, std::span<const LayerResidency> residency,
                     std::span<const std::vector<std::uint32_t>> counts,
                     std::span<const std::vector<Turnover>> turnover, kernels::ThreadPool& pool);
  /// needed: [Hkv].
  void add_needed(std::uint32_t layer, std::span<const LayerResidency> residency, std::span<const NeededSteps> needed,
                  kernels::ThreadPool& pool);
  /// All scores of the layer are in: forms what needs them all.
  void finish_layer(std::uint32_t layer, kernels::ThreadPool& pool);

  // Read by summary and results; NAME[...] shows the index order.
  const Sequence sequence;
  const Metrics metrics;
  const std::uint32_t n_columns, bin_steps, n_bins;
  std::vector<std::uint32_t> counted_from;                             // [column]
  std::vector<double> step_mass, step_error, step_bound, step_recall;  // [step][column] sums over layers and q_heads
  std::vector<double> step_output, step_unknown;                       // [step]
  std::vector<std::uint64_t> step_resident, step_paged;  // [step][column] read, held in pages; over KV heads
  std::vector<double> head_mass, head_error, head_bound, head_recall, head_output, head_high;  // [l][hq][column]
  std::vector<HeadOutcome> outcome;                     // [layer][kv_head][column]
  std::vector<double> bin_mass, bin_error, bin_recall;  // [bin][layer][q_head][column]
  std::vector<double> bin_output;                       // [bin][layer][q_head]
  std::vector<float> bin_resident, bin_resident_peak;   // [bin][layer][kv_head][column]

  bool keeps_bins() const { return with_bins_; }
  std::uint32_t n_counted(std::uint32_t column) const {
    return sequence.n_steps() - std::min(sequence.n_steps(), counted_from[column]);
  }
  std::uint32_t bin_size(std::uint32_t bin) const { return std::min(bin_steps, sequence.n_steps() - bin * bin_steps); }

 private:
  // One layer's figures of each KV head and step, until finish_layer(): [Hkv][step][column], outputs [Hkv][step].
  struct HeadSteps {
    std::vector<float> mass, error, recall, output;
  };

  // A figure with a line of columns per (q_head, step), and where its sums go.
  struct Figure {
    std::span<float> (LayerScores::*line)(std::uint32_t q_head, std::uint32_t step);
    float share;  // of the sum over a KV head's rows that head_steps takes
    std::vector<float>& head_steps;
    std::vector<double>&step, &bin;
    std::vector<std::vector<double>*> head;
  };

  HeadSteps& head_steps(std::uint32_t layer);
  void add_rows(std::uint32_t layer, LayerScores& scores, HeadSteps& steps);
  void add_columns(std::uint32_t layer, LayerScores& scores, HeadSteps& steps, std::uint32_t first, std::uint32_t n);
  void add_figure(std::uint32_t layer, LayerScores& scores, const Figure& figure, std::uint32_t first, std::uint32_t n);
  void add_upper_masses(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n);
  void add_bounds(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n);
  void mark_counted(std::uint32_t step, std::uint32_t first, std::uint32_t n, std::span<double> counted) const;
  void add_column_residency(std::uint32_t layer, std::uint32_t column, const LayerResidency& found,
                            std::span<const std::uint32_t> counts, std::span<const Turnover> turnover,
                            alloc::StrategyKind kind);
  double moved_entries(const LayerResidency& found, std::uint32_t kv_head, std::uint32_t first) const;
  std::size_t outcome_index(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t column) const {
    return (std::size_t{layer} * sequence.n_kv_heads + kv_head) * n_columns + column;
  }

  const Sweep& sweep_;
  bool with_bins_;
  std::map<std::uint32_t, HeadSteps> head_steps_;  // by layer
  HeadSteps spare_steps_;                          // memory of a layer that is finished
};

}  // namespace kvwave::replay
