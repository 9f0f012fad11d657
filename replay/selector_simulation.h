// Private to replay: phase 1 of a selecting strategy for one cache, step by step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "alloc/scorer.h"
#include "replay/full_rows.h"
#include "replay/simulate.h"
#include "replay/sweep.h"

namespace kvwave::replay {

class SelectorSimulation {
 public:
  /// `cache`: a KV head or a query head, as the scorer's granularity says; `budget`: its entries.
  SelectorSimulation(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer, std::uint32_t cache,
                     std::int32_t budget);

  const Simulation& simulation() const { return simulation_; }
  /// The first position whose row the selector sees: the prompt's end, or earlier where it asks for prompt rows.
  std::uint32_t first_row() const;
  /// One decode step, or one prompt row from first_row() on. `rows` may be null when the selector needs none.
  void step(std::uint32_t position, const LayerTensors& tensors, const FullRows* rows);
  /// Of this cache alone.
  LayerResidency take_result() { return std::move(result_); }

 private:
  void form_row(std::uint32_t position, const FullRows& rows);
  void record(std::uint32_t step);

  const Simulation& simulation_;
  const Sequence& sequence_;
  alloc::Needs needs_;
  RowHeads heads_;
  std::uint32_t kv_head_;
  bool destructive_;
  std::unique_ptr<alloc::StepSelector> selector_;
  alloc::PageChoice choice_;
  std::vector<std::uint32_t> all_;  // positions 0, 1, ...
  std::vector<float> row_;
  LayerResidency result_;
};

}  // namespace kvwave::replay
