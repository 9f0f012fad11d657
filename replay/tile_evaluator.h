// Phase 2 on one tile of rows: every column's figures in one pass over the probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/column_sums.h"
#include "replay/layer_tensors.h"
#include "replay/needed_positions.h"
#include "replay/query_tile.h"
#include "replay/seen_positions.h"
#include "replay/tile_scores.h"
#include "replay/visibility.h"

namespace kvwave::replay {

/// Up to 64 simulations whose visibility changes about equally often, so that rows between two changes are many.
struct ColumnBlock {
  static constexpr std::uint32_t kAllHeads = 0xFFFFFFFFU;

  VisibilityTimeline timeline;
  std::vector<std::uint32_t> columns;  ///< simulation of each column of the timeline
  std::uint32_t head = kAllHeads;      ///< the query head of the group that reads these caches, or all of them
};

/// What the columns of one KV head hold over time.
struct HeadResidency {
  std::uint32_t n_simulations = 0;
  std::vector<ColumnBlock> blocks;                   ///< together every simulation, for every query head
  std::vector<const std::uint32_t*> ceiling_counts;  ///< [n_ceilings] -> [n_steps] entries the ceiling may pick
};

/// One per thread. A KV head's steps are walked forward: start(), then evaluate() tile by tile.
class TileEvaluator {
 public:
  TileEvaluator(const Sequence& sequence, const Metrics& metrics) : sequence_(sequence), metrics_(metrics) {}

  /// Steps from `begin` on of `kv_head` will follow. `residency` must outlive the calls.
  void start(const HeadResidency& residency, std::uint32_t kv_head, std::uint32_t begin);

  /// `tensors` gives values and may be null when metrics.error is off. With metrics.recall appends to `needed` each
  /// step in which a row of the group gave a position more than kNeededShare, steps of a position ascending.
  void evaluate(const ProbabilityTile& tile, const LayerTensors* tensors, LayerScores& scores,
                std::vector<NeededEvent>& needed);

 private:
  struct Segment {  // consecutive rows of the tile between two changes of visibility
    std::uint32_t first_row, n_rows;
  };

  struct ColumnGroup {  // up to 64 columns during a segment
    std::span<const std::uint64_t> words;
    const SeenPositions* lists;  // null: sum by words; always there with metrics.error
    const ColumnBlock& block;
    std::uint32_t n() const { return static_cast<std::uint32_t>(block.columns.size()); }
  };

  void mark_recall(const ProbabilityTile& tile);
  void find_needed(const ProbabilityTile& tile, std::vector<NeededEvent>& needed) const;
  void measure_group(const ProbabilityTile& tile, std::size_t group_index, const LayerTensors* tensors,
                     LayerScores& scores);
  void measure_mass(const ProbabilityTile& tile, const Segment& segment, const ColumnGroup& columns,
                    LayerScores& scores);
  void measure_recall(const ProbabilityTile& tile, const Segment& segment, const ColumnGroup& columns,
                      LayerScores& scores);
  void measure_error(const ProbabilityTile& tile, LaneRange lanes, const ColumnGroup& columns,
                     const LayerTensors& tensors, LayerScores& scores);
  void measure_ceiling(const ProbabilityTile& tile, std::size_t index, const LayerTensors* tensors,
                       LayerScores& scores);
  void full_output(const ProbabilityTile& tile, const LayerTensors& tensors, LayerScores& scores);
  std::uint32_t step_of(const ProbabilityTile& tile, std::uint32_t lane) const {
    return tile.first_position + lane / tile.group - sequence_.n_prompt;
  }
  bool reads(const ColumnBlock& block, std::uint32_t lane) const {
    return block.head == ColumnBlock::kAllHeads || block.head == lane % sequence_.group();
  }
  std::uint32_t q_head_of(std::uint32_t lane) const { return kv_head_ * sequence_.group() + lane % sequence_.group(); }

  const Sequence sequence_;
  const Metrics metrics_;
  const HeadResidency* residency_ = nullptr;
  std::uint32_t kv_head_ = 0;
  std::vector<VisibilityWords> groups_;   // of each block
  std::vector<SeenPositions> positions_;  // of each block
  // scratch
  kernels::AlignedVector<std::int32_t> converted_, fixed_marks_;  // tile.prob and marked_ as whole numbers
  ColumnSums sums_;
  std::vector<float*> lines_;
  std::vector<float> marked_, kept_;
  std::vector<std::uint32_t> k_, n_greater_, all_, seen_;
  std::vector<float> value_, output_, nodes_, nothing_, partial_, column_mass_, distance_;
};

}  // namespace kvwave::replay
