#include "replay/simulation_walk.h"

#include <algorithm>
#include <utility>

namespace kvwave::replay {

SimulationWalk::SimulationWalk(std::unique_ptr<LayerSimulation> simulation, const Sequence& sequence,
                               std::uint32_t next_position)
    : simulation_(std::move(simulation)),
      sequence_(sequence),
      rule_(simulation_->simulation().scorer->rule()),
      needs_(simulation_->simulation().needs()),
      refreshes_(refresh_positions(rule_, sequence)) {
  const auto first = std::lower_bound(refreshes_.begin(), refreshes_.end(), next_position);
  next_refresh_ = static_cast<std::size_t>(first - refreshes_.begin());
  next_row_ = std::max(next_position, sequence.n_prompt - std::min(needs_.prompt_rows, sequence.n_prompt));
}

void SimulationWalk::finish(const StatisticsSource& source, StatisticsScratch& scratch) {
  while (next_refresh_ < refreshes_.size()) refresh(refreshes_[next_refresh_], source, scratch);
}

void SimulationWalk::step(const FullRows& rows, const StatisticsSource& source, StatisticsScratch& scratch) {
  const std::uint32_t position = next_row_;
  // The cut after the prompt comes before the first row of scorers that look at no prompt row.
  while (next_refresh_ < refreshes_.size() && refreshes_[next_refresh_] < position) {
    refresh(refreshes_[next_refresh_], source, scratch);
  }
  const bool due = next_refresh_ < refreshes_.size() && refreshes_[next_refresh_] == position;
  const bool before = rule_.cut == alloc::CutTime::before_attention;
  if (due && before) refresh(position, source, scratch);
  observe(rows);
  if (due && !before) refresh(position, source, scratch);
}

void SimulationWalk::observe(const FullRows& rows) {
  simulation_->append(next_row_);
  const LayerSimulation::Caches caches = simulation_->caches();
  for (std::uint32_t cache = caches.first; cache < caches.first + caches.count; ++cache) {
    restricted_row(rows, heads_of(cache), next_row_, simulation_->slots(cache), needs_.reduction, row_);
    simulation_->observe(cache, next_row_, row_);
  }
  ++next_row_;
}

RowHeads SimulationWalk::heads_of(std::uint32_t cache) const {
  if (rule_.granularity == alloc::Granularity::layer) return {0, sequence_.n_q_heads};
  if (rule_.granularity == alloc::Granularity::q_head) return {cache, 1};
  return {cache * sequence_.group(), sequence_.group()};
}

void SimulationWalk::statistics(std::uint32_t cache, std::uint32_t position, const StatisticsSource& source,
                                HeadStatistics& out, StatisticsScratch& scratch) const {
  head_statistics(
      {.needs = needs_, .rule = rule_, .cache = cache, .position = position, .slots = simulation_->slots(cache)},
      source, out, scratch);
}

void SimulationWalk::refresh(std::uint32_t position, const StatisticsSource& source, StatisticsScratch& scratch) {
  ++next_refresh_;
  const std::vector<std::uint32_t> caches = simulation_->begin(position);
  statistics_.resize(caches.size());
  for (std::size_t i = 0; i < caches.size(); ++i) statistics(caches[i], position, source, statistics_[i], scratch);
  keep(simulation_->score(statistics_));
}

void SimulationWalk::keep(const std::vector<LayerSimulation::Selection>& selections) {
  std::vector<std::vector<std::uint32_t>> kept;
  for (const LayerSimulation::Selection& one : selections) {
    kept.push_back(rule_.order == alloc::SlotOrder::time ? alloc::select_top_set(one.score, one.n_kept)
                                                         : alloc::select_top(one.score, one.n_kept));
  }
  simulation_->keep(selections, kept);
}

}  // namespace kvwave::replay
