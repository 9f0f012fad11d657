#include "replay/tile_evaluator.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "kernels/output_distance.h"
#include "kernels/retained_mass.h"
#include "kernels/weighted_values.h"

namespace kvwave::replay {

namespace {

// Below this share of the row, what a column sees is summed directly and not as a difference.
constexpr float kLeastMassForDifference = 0.25F;

// Rows that must share their words before lists of positions are made for them.
constexpr std::uint32_t kLeastRowsForLists = 4;

// Rows whose outputs of all columns are in memory together.
constexpr std::uint32_t kErrorLanes = 48;

float inverse_or_zero(float mass) {
  return mass > 0 ? 1.0F / mass : 0.0F;
}

}  // namespace

void TileEvaluator::start(const HeadResidency& residency, std::uint32_t kv_head, std::uint32_t begin) {
  residency_ = &residency;
  kv_head_ = kv_head;
  groups_.resize(residency.blocks.size());
  positions_.resize(groups_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g].start(residency.blocks[g].timeline, begin);
}

void TileEvaluator::evaluate(const ProbabilityTile& tile, const LayerTensors* tensors, LayerScores& scores,
                             std::vector<NeededEvent>& needed) {
  if (tile.fixed.empty()) {
    converted_.resize(tile.prob.size());
    kernels::to_fixed(tile.prob, kernels::kFixedOne, converted_);
  }
  all_.resize(tile.shape.n_positions);
  std::iota(all_.begin(), all_.end(), 0U);
  if (metrics_.recall) {
    mark_recall(tile);
    find_needed(tile, needed);
  }
  if (metrics_.error) full_output(tile, *tensors, scores);
  for (std::size_t g = 0; g < groups_.size(); ++g) measure_group(tile, g, tensors, scores);
  for (std::size_t c = 0; c < residency_->ceiling_counts.size(); ++c) measure_ceiling(tile, c, tensors, scores);
}

// marked_[i][lane] = 1 for the top kRecallSize positions of each row.
void TileEvaluator::mark_recall(const ProbabilityTile& tile) {
  k_.resize(tile.shape.n_lanes);
  for (std::size_t lane = 0; lane < k_.size(); ++lane) k_[lane] = std::min(kRecallSize, tile.n_visible[lane]);
  value_.resize(k_.size());
  n_greater_.resize(k_.size());
  marked_.resize(tile.prob.size());
  kernels::kth_largest(tile.shape, tile.prob, k_, value_, n_greater_);
  kernels::mark_largest(tile.shape, tile.prob, k_, value_, n_greater_, marked_);
  fixed_marks_.resize(marked_.size());
  kernels::to_fixed(marked_, 1.0F, fixed_marks_);
}

void TileEvaluator::find_needed(const ProbabilityTile& tile, std::vector<NeededEvent>& needed) const {
  const std::uint32_t first_step = tile.first_position - sequence_.n_prompt;
  constexpr auto limit = std::bit_cast<std::int32_t>(kNeededShare);
  for (std::uint32_t i = 0; i < tile.shape.n_positions; ++i) {
    const float* const line = tile.prob.data() + std::size_t{i} * tile.shape.n_lanes;
    std::int32_t most = 0;  // non-negative floats order as their bits do, and whole numbers vectorise
    for (std::uint32_t lane = 0; lane < tile.shape.n_lanes; ++lane) {
      most = std::max(most, std::bit_cast<std::int32_t>(line[lane]));
    }
    if (most <= limit) continue;
    for (std::uint32_t row = 0; row < tile.n_rows; ++row) {
      const float* const of_group = line + std::size_t{row} * tile.group;
      std::uint32_t heads = 0;
      for (std::uint32_t g = 0; g < tile.group; ++g) heads |= of_group[g] > kNeededShare ? head_bit(g) : 0U;
      if (heads != 0) needed.push_back({i, first_step + row, heads});
    }
  }
}

void TileEvaluator::full_output(const ProbabilityTile& tile, const LayerTensors& tensors, LayerScores& scores) {
  const std::uint32_t width = tensors.value_width();
  output_.resize(std::size_t{tile.used_lanes()} * width);
  const kernels::WeightedRows rows{tile.prob.data(), tile.shape.n_lanes, tile.used_lanes(), tensors.values(kv_head_),
                                   width};
  kernels::weighted_values(rows, all_, {}, {}, output_);
  nothing_.assign(output_.size(), 0.0F);
  column_mass_.assign(tile.used_lanes(), 0.0F);
  distance_.resize(tile.used_lanes());
  kernels::square_distances(nothing_, 0.0F, nothing_, column_mass_, output_, width, distance_);  // |0 - o|^2
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    scores.square_output(q_head_of(lane), step_of(tile, lane)) = distance_[lane];
    scores.max_value(q_head_of(lane), step_of(tile, lane)) =
        tensors.max_value_norm(kv_head_, tile.first_position + lane / tile.group);
  }
}

// Rows are taken in segments over which no word changes.
void TileEvaluator::measure_group(const ProbabilityTile& tile, std::size_t group_index, const LayerTensors* tensors,
                                  LayerScores& scores) {
  const ColumnBlock& block = residency_->blocks[group_index];
  VisibilityWords& visibility = groups_[group_index];
  const std::uint32_t first_step = step_of(tile, 0), end_step = first_step + tile.n_rows;
  for (std::uint32_t step = first_step; step < end_step;) {
    visibility.advance(step);
    const std::uint32_t next = visibility.next_change(end_step);
    const Segment segment{step - first_step, next - step};
    const std::uint32_t n_positions = tile.first_position + segment.first_row + segment.n_rows;
    const std::span<const std::uint64_t> words = visibility.words().first(n_positions);
    const bool by_lists = metrics_.error || segment.n_rows >= kLeastRowsForLists;
    if (by_lists) positions_[group_index].update(words, block.timeline.n_columns(), visibility.generation());
    const SeenPositions* const lists = by_lists ? &positions_[group_index] : nullptr;
    const ColumnGroup columns{words, lists, block};
    measure_mass(tile, segment, columns, scores);
    if (metrics_.recall) measure_recall(tile, segment, columns, scores);
    if (metrics_.error) {
      const std::uint32_t end = (segment.first_row + segment.n_rows) * tile.group;
      for (std::uint32_t lane = segment.first_row * tile.group; lane < end; lane += kErrorLanes) {
        measure_error(tile, {lane, std::min(kErrorLanes, end - lane)}, columns, *tensors, scores);
      }
    }
    step = next;
  }
}

void TileEvaluator::measure_mass(const ProbabilityTile& tile, const Segment& segment, const ColumnGroup& columns,
                                 LayerScores& scores) {
  const LaneRange lanes{segment.first_row * tile.group, segment.n_rows * tile.group};
  const std::span<const std::int32_t> fixed = tile.fixed.empty() ? std::span(converted_) : std::span(tile.fixed);
  sums_.sum(fixed, tile.shape.n_lanes, lanes, columns.words, columns.n(), columns.lists);
  lines_.resize(lanes.count);
  for (std::uint32_t i = 0; i < lanes.count; ++i) {
    const std::uint32_t lane = lanes.first + i;
    lines_[i] = reads(columns.block, lane) ? scores.mass(q_head_of(lane), step_of(tile, lane)).data() : nullptr;
  }
  sums_.store_shares(1.0F / kernels::kFixedOne, lines_, columns.block.columns);
}

void TileEvaluator::measure_recall(const ProbabilityTile& tile, const Segment& segment, const ColumnGroup& columns,
                                   LayerScores& scores) {
  const LaneRange lanes{segment.first_row * tile.group, segment.n_rows * tile.group};
  sums_.sum(fixed_marks_, tile.shape.n_lanes, lanes, columns.words, columns.n(), columns.lists);
  for (std::uint32_t i = 0; i < lanes.count; ++i) {
    const std::uint32_t lane = lanes.first + i;
    if (!reads(columns.block, lane)) continue;
    float* const out = scores.recall(q_head_of(lane), step_of(tile, lane)).data();
    const double size = std::min(kRecallSize, tile.n_visible[lane]);
    for (std::uint32_t c = 0; c < columns.n(); ++c) {
      out[columns.block.columns[c]] = static_cast<float>(sums_.at(i, c) / size);
    }
  }
}

// The output of a column is that of its parent plus and minus the few positions in which they differ; where little mass
// is left, and differences would lose digits that the division by the mass then magnifies, it is summed anew.
void TileEvaluator::measure_error(const ProbabilityTile& tile, LaneRange lanes, const ColumnGroup& columns,
                                  const LayerTensors& tensors, LayerScores& scores) {
  const SeenPositions& positions = *columns.lists;
  const std::uint32_t width = tensors.value_width();
  const std::size_t size = std::size_t{lanes.count} * width;
  const kernels::WeightedRows rows{tile.prob.data() + lanes.first, tile.shape.n_lanes, lanes.count,
                                   tensors.values(kv_head_), width};
  const std::span<const float> full = std::span(output_).subspan(std::size_t{lanes.first} * width, size);
  nodes_.resize(SeenPositions::kNodes * size);
  nothing_.assign(size, 0.0F);
  column_mass_.resize(lanes.count);
  distance_.resize(lanes.count);
  const auto node = [&](std::uint32_t index) { return std::span(nodes_).subspan(index * size, size); };
  const std::span<float> common = node(SeenPositions::kCommon);
  kernels::weighted_values(rows, positions.common(), {}, {}, common);
  if (positions.is_parent(SeenPositions::kAnyone)) {
    kernels::weighted_values(rows, positions.some(), {}, common, node(SeenPositions::kAnyone));
  }
  for (const SeenPositions::Step& step : positions.steps()) {
    const std::uint32_t c = step.column, column = columns.block.columns[c];
    const bool measured = positions.hides(c);  // else it sees the whole row: no error
    if (!measured && !positions.is_parent(c)) continue;
    float least_mass = 1.0F;
    for (std::uint32_t i = 0; i < lanes.count; ++i) {
      const std::uint32_t lane = lanes.first + i;
      const bool read = reads(columns.block, lane);
      const float mass = read ? scores.mass(q_head_of(lane), step_of(tile, lane))[column] : 1.0F;
      least_mass = std::min(least_mass, mass);
      column_mass_[i] = inverse_or_zero(mass);
    }
    const std::span<float> output = node(c);
    if (least_mass < kLeastMassForDifference) {
      positions.seen(c, seen_);
      kernels::weighted_values(rows, seen_, {}, common, output);
    } else {
      kernels::weighted_values(rows, positions.added(step), positions.removed(step), node(step.parent), output);
    }
    if (!measured) continue;
    kernels::square_distances(output, 0.0F, nothing_, column_mass_, full, width, distance_);
    for (std::uint32_t i = 0; i < lanes.count; ++i) {
      const std::uint32_t lane = lanes.first + i;
      if (!reads(columns.block, lane)) continue;
      scores.square_error(q_head_of(lane), step_of(tile, lane))[column] = distance_[i];
    }
  }
}

// The top-k of the full row at the count that the R-KV-family cache holds in that step.
void TileEvaluator::measure_ceiling(const ProbabilityTile& tile, std::size_t index, const LayerTensors* tensors,
                                    LayerScores& scores) {
  const std::uint32_t n_lanes = tile.shape.n_lanes;
  const auto column = static_cast<std::uint32_t>(residency_->n_simulations + index);
  k_.assign(n_lanes, 1);
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    k_[lane] = std::min(residency_->ceiling_counts[index][step_of(tile, lane)], tile.n_visible[lane]);
  }
  value_.resize(n_lanes);
  n_greater_.resize(n_lanes);
  kept_.resize(tile.prob.size());
  kernels::kth_largest(tile.shape, tile.prob, k_, value_, n_greater_);
  kernels::mark_largest(tile.shape, tile.prob, k_, value_, n_greater_, kept_);
  std::vector<double> mass(n_lanes, 0.0);
  for (std::uint32_t i = 0; i < tile.shape.n_positions; ++i) {
    float* const line = kept_.data() + std::size_t{i} * n_lanes;
    const float* const prob = tile.prob.data() + std::size_t{i} * n_lanes;
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
      line[lane] *= prob[lane];
      mass[lane] += line[lane];
    }
  }
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    scores.mass(q_head_of(lane), step_of(tile, lane))[column] = static_cast<float>(std::min(1.0, mass[lane]));
    if (metrics_.recall) {
      const double size = std::min(kRecallSize, tile.n_visible[lane]);
      scores.recall(q_head_of(lane), step_of(tile, lane))[column] = static_cast<float>(std::min(1.0, k_[lane] / size));
    }
  }
  if (!metrics_.error) return;
  const std::uint32_t width = tensors->value_width();
  partial_.resize(std::size_t{tile.used_lanes()} * width);
  const kernels::WeightedRows rows{kept_.data(), n_lanes, tile.used_lanes(), tensors->values(kv_head_), width};
  kernels::weighted_values(rows, all_, {}, {}, partial_);
  nothing_.assign(partial_.size(), 0.0F);
  column_mass_.resize(tile.used_lanes());
  distance_.resize(tile.used_lanes());
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    column_mass_[lane] = inverse_or_zero(static_cast<float>(mass[lane]));
  }
  kernels::square_distances(nothing_, 1.0F, partial_, column_mass_, output_, width, distance_);
  for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) {
    if (k_[lane] == tile.n_visible[lane]) continue;  // the whole row: no error
    scores.square_error(q_head_of(lane), step_of(tile, lane))[column] = distance_[lane];
  }
}

}  // namespace kvwave::replay
