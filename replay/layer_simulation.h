// Private to replay: phase 1 of one strategy in one layer, one refresh at a time, so that its statistics, selections
// and layer budgets can be formed apart: cache by cache on the CPU, for many simulations together on a GPU, or for all
// layers in step when an allocator moves budget between them.
//
// A cache is what one decision covers: that of a KV head (Hkv of them), of a query head (Hq, each with the budget of a
// KV head), or one for the whole layer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "replay/head_statistics.h"
#include "replay/simulate.h"
#include "replay/sweep.h"

namespace kvwave::replay {

class LayerSimulation {
 public:
  /// What one cache keeps: the n_kept best of its candidates.
  struct Selection {
    std::uint32_t cache = 0;
    std::span<const float> score;  ///< valid until keep()
    std::uint32_t n_kept = 0;
  };
  /// Caches [first, first + count) of the layer. An allocator that shares between heads needs all of them.
  struct Caches {
    std::uint32_t first = 0, count = 0;
  };

  /// `simulation` (neither the full cache nor selecting) and `sequence` must outlive it.
  LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer, std::uint64_t trace_key);
  LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer, std::uint64_t trace_key,
                  Caches caches);

  const Simulation& simulation() const { return simulation_; }
  std::uint32_t layer() const { return layer_; }
  Caches caches() const { return caches_; }
  /// Resident positions of a cache in slot order.
  std::span<const std::uint32_t> slots(std::uint32_t cache) const { return slots_[cache - caches_.first]; }

  /// Appends everything up to `position`.
  void append(std::uint32_t position);
  /// Shows the row over slots(cache) to the cache's state. Only for stateful scorers.
  void observe(std::uint32_t cache, std::uint32_t position, std::span<const float> row);

  // One refresh: begin(), score() with the statistics of the caches that begin() named, keep(). Positions ascend.

  /// Appends everything up to `position`; returns the caches whose scores are needed, none when nothing is dropped.
  std::vector<std::uint32_t> begin(std::uint32_t position);
  /// statistics: one per cache that begin() named. Throws BadBudget (simulate_layer()).
  std::vector<Selection> score(std::span<const HeadStatistics> statistics);
  /// kept: slots, one list per selection of score(); best first, or in any order where slots stay in time order.
  void keep(std::span<const Selection> selections, std::span<const std::vector<std::uint32_t>> kept);

  // The same in step with all other layers: begin_all(), form_scores(), set_layer_budget(), select(), keep().

  /// Whether the trigger's rule lets a refresh start at the position of begin_all() where n_caches caches hold
  /// n_residents entries together and may hold `budget`.
  bool starts_refresh(std::size_t n_residents, std::int64_t budget, std::size_t n_caches) const;
  /// begin() that names every cache.
  std::vector<std::uint32_t> begin_all(std::uint32_t position);
  void form_scores(std::span<const HeadStatistics> statistics);
  /// Of the candidates, after form_scores().
  std::span<const float> scores(std::uint32_t cache) const { return scores_[cache - caches_.first]; }
  void set_layer_budget(std::int32_t budget);
  std::int32_t layer_budget() const { return layer_budget_; }
  std::vector<Selection> select(std::span<const HeadStatistics> statistics);

  /// Only once, at the end.
  LayerResidency take_result();

 private:
  bool after_prompt() const { return position_ + 1 == sequence_.n_prompt; }
  std::int32_t step() const {
    return static_cast<std::int32_t>(position_) - static_cast<std::int32_t>(sequence_.n_prompt);
  }
  std::int32_t& budget(std::uint32_t cache) { return budget_[cache - caches_.first]; }
  void divide_layer_budget();
  void record_budget(std::int32_t step);
  void share_layer_budget(std::span<const HeadStatistics> statistics);
  void score_cache(std::uint32_t cache, const HeadStatistics& statistics);
  void protect(std::uint32_t cache);
  bool is_protected(std::uint32_t position) const;
  void keep_best(std::uint32_t cache, std::vector<std::uint32_t> kept);
  void check_protected(std::uint32_t cache, std::uint32_t n_kept) const;

  const Simulation& simulation_;
  const Sequence& sequence_;
  std::uint32_t layer_;
  std::uint64_t trace_key_;
  alloc::RefreshRule rule_;
  alloc::Needs needs_;
  Caches caches_;
  std::int32_t layer_budget_;
  std::vector<std::unique_ptr<alloc::ScorerState>> states_;  // [caches] of stateful scorers
  std::vector<std::vector<std::uint32_t>> slots_;            // [caches] resident positions in slot order
  std::vector<std::vector<float>> scores_;                   // [caches] of the candidates at this refresh
  std::vector<std::int32_t> budget_;                         // [caches] in force
  std::uint32_t position_ = 0;                               // of this refresh
  std::uint32_t refresh_index_ = 0;
  std::uint32_t next_position_ = 0;
  std::vector<std::uint32_t> scored_;  // caches of this refresh
  LayerResidency result_;
};

}  // namespace kvwave::replay
