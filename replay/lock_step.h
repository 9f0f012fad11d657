// Private to replay: phase 1 of strategies whose allocator moves budget between layers at refreshes. All layers take
// each refresh together: first every layer's scores are formed, then the allocator is asked once, then each layer
// shares what it got among its heads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "replay/layer_store.h"
#include "replay/replan_tally.h"
#include "replay/simulate_all.h"
#include "replay/simulation_walk.h"

namespace kvwave::replay {

class LockStep {
 public:
  /// Takes those of `simulations` that replan layers; all arguments must outlive it. scratch: one per thread.
  /// Throws Error when the future mass of all layers would take more than 4 GiB.
  LockStep(std::span<const Simulation> simulations, const Sequence& sequence, std::uint64_t trace_key,
           const alloc::Rope& rope, LayerStore& layers, kernels::ThreadPool& pool,
           std::vector<StatisticsScratch>& scratch);

  /// Whether any simulation of `simulations` needs this.
  static bool wanted(std::span<const Simulation> simulations);

  /// To the end, or until an allocator's layer budgets are settled. `between`: called between refreshes, may throw.
  void run(const std::function<void()>& between);

  /// [n_simulations] what the allocators reported, after run().
  std::vector<ReplanTally> tallies(std::size_t n_simulations) const;

  /// The simulations of one layer, for simulate_all() to continue or finish. Once per layer, after run().
  std::vector<StartedSimulation> take(std::uint32_t layer);

 private:
  struct Running {  // one simulation in all layers
    std::size_t index = 0;
    const Simulation* simulation = nullptr;
    std::vector<std::uint32_t> refreshes;  // positions
    std::vector<SimulationWalk> layers;
    std::vector<double> memory;  // [n_layers] the allocator's
    ReplanTally tally;
    std::uint32_t next_position = 0;  // first that was not taken
    bool settled = false;
  };
  // What one layer brings to a replan.
  struct LayerPart {
    std::vector<HeadStatistics> statistics;
    std::vector<std::uint32_t> residents;
    std::vector<std::span<const float>> scores, future_mass;
    alloc::LayerState state;
  };

  void look_ahead();
  void observe_rows(std::span<Running* const> active, std::uint32_t position);
  bool starts(Running& running, std::uint32_t position) const;
  void form_layer(std::span<Running* const> active, std::uint32_t layer, std::uint32_t position,
                  std::vector<std::vector<LayerPart>>& parts);
  void measure(const Running& running, std::uint32_t layer, std::uint32_t position, const StatisticsSource& source,
               LayerPart& part) const;
  void replan(Running& running, std::uint32_t position, std::vector<LayerPart>& parts);

  const Sequence& sequence_;
  const alloc::Rope& rope_;
  LayerStore& layers_;
  kernels::ThreadPool& pool_;
  std::vector<StatisticsScratch>& scratch_;
  std::vector<Running> running_;
  std::vector<FutureMass> future_;  // [n_layers], empty unless someone looks ahead
};

}  // namespace kvwave::replay
