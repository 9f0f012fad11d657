// Private to replay: takes the caches of one simulation in one layer from the prompt to the end, or from wherever the
// walk in step with other layers (lock_step.h) left them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "replay/full_rows.h"
#include "replay/layer_simulation.h"

namespace kvwave::replay {

class SimulationWalk {
 public:
  /// Steps up to and without `next_position` have been taken.
  SimulationWalk(std::unique_ptr<LayerSimulation> simulation, const Sequence& sequence,
                 std::uint32_t next_position = 0);

  LayerSimulation& simulation() { return *simulation_; }
  const LayerSimulation& simulation() const { return *simulation_; }
  /// Ends the walk.
  std::unique_ptr<LayerSimulation> take_simulation() { return std::move(simulation_); }
  /// Whether a step's cut comes before its attention.
  bool cuts_first() const { return rule_.cut == alloc::CutTime::before_attention; }
  bool needs_rows() const { return needs_.rows; }
  /// Position of the first row still to be observed; of no meaning without needs_rows().
  std::uint32_t next_row() const { return next_row_; }

  /// All refreshes to the end, for simulations that observe no rows.
  void finish(const StatisticsSource& source, StatisticsScratch& scratch);
  /// The step at next_row(): its row is observed, and its refresh done where one is due.
  void step(const FullRows& rows, const StatisticsSource& source, StatisticsScratch& scratch);
  /// Observes the row at next_row() and leaves the refresh to the caller.
  void observe(const FullRows& rows);

  /// Statistics of a cache at a refresh.
  void statistics(std::uint32_t cache, std::uint32_t position, const StatisticsSource& source, HeadStatistics& out,
                  StatisticsScratch& scratch) const;
  /// Keeps the best of each selection.
  void keep(const std::vector<LayerSimulation::Selection>& selections);

 private:
  void refresh(std::uint32_t position, const StatisticsSource& source, StatisticsScratch& scratch);
  RowHeads heads_of(std::uint32_t cache) const;

  std::unique_ptr<LayerSimulation> simulation_;
  Sequence sequence_;
  alloc::RefreshRule rule_;
  alloc::Needs needs_;
  std::vector<std::uint32_t> refreshes_;  // positions still to come
  std::size_t next_refresh_ = 0;
  std::uint32_t next_row_ = 0;
  std::vector<float> row_;
  std::vector<HeadStatistics> statistics_;
};

}  // namespace kvwave::replay
