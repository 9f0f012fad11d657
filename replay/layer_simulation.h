// Private to replay: phase 1 of one strategy in one layer, one refresh at a time, so that its statistics and selections
// can be computed apart: head by head on the CPU, or for many simulations together on a GPU.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "replay/head_statistics.h"
#include "replay/simulate.h"
#include "replay/sweep.h"

namespace kvwave::replay {

class LayerSimulation {
 public:
  /// What one KV head keeps: the n_kept best of its candidates.
  struct Selection {
    std::uint32_t kv_head = 0;
    std::span<const float> score;  ///< valid until keep()
    std::uint32_t n_kept = 0;
  };

  /// `simulation` (not the full cache) and `sequence` must outlive it.
  LayerSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer, std::uint64_t trace_key);

  const Simulation& simulation() const { return simulation_; }
  /// Resident positions of a KV head in slot order.
  std::span<const std::uint32_t> slots(std::uint32_t kv_head) const { return slots_[kv_head]; }

  // One refresh: begin(), score() with the statistics of the heads that begin() named, keep(). Positions ascend.

  /// Appends everything up to `position`; returns the KV heads whose scores are needed, none when nothing is dropped.
  std::vector<std::uint32_t> begin(std::uint32_t position);
  /// statistics: one per head that begin() named. Throws BadBudget (simulate_layer()).
  std::vector<Selection> score(std::span<const HeadStatistics> statistics);
  /// kept: slots, best first, one list per selection of score().
  void keep(std::span<const Selection> selections, std::span<const std::vector<std::uint32_t>> kept);

  LayerResidency take_result() { return std::move(result_); }

 private:
  std::int32_t layer_budget() const { return simulation_.plan.budget[layer_]; }
  std::int32_t step() const {
    return static_cast<std::int32_t>(position_) - static_cast<std::int32_t>(sequence_.n_prompt);
  }
  void record_budget(std::int32_t step);
  void share_layer_budget();
  void score_head(std::uint32_t kv_head, const HeadStatistics& statistics);
  void protect_prompt(std::uint32_t kv_head);
  void keep_best(std::uint32_t kv_head, std::vector<std::uint32_t> kept);
  void check_protected(std::uint32_t kv_head, std::uint32_t n_kept) const;

  const Simulation& simulation_;
  const Sequence& sequence_;
  std::uint32_t layer_;
  std::uint64_t trace_key_;
  alloc::RefreshRule rule_;
  std::vector<std::vector<std::uint32_t>> slots_;  // [n_kv_heads] resident positions in slot order
  std::vector<std::vector<float>> scores_;         // [n_kv_heads] of the candidates at this refresh
  std::vector<std::int32_t> budget_;               // [n_kv_heads] in force
  std::uint32_t position_ = 0;                     // of this refresh
  std::uint32_t refresh_index_ = 0;
  std::uint32_t next_position_ = 0;
  std::vector<std::uint32_t> scored_heads_;
  LayerResidency result_;
};

}  // namespace kvwave::replay
