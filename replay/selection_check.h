// Whether a device chose what the CPU would have chosen, refresh by refresh: scores differ by rounding, so two that lie
// closer than the rounding may change places. Both sides go on with the device's choice, so that one such pair does not
// make every later refresh look different. What looks ahead (future mass) is the source's on both sides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/layer_simulation.h"
#include "replay/selection_counts.h"

namespace kvwave::replay {

class SelectionCheck {
 public:
  /// Repeats `simulation` on the CPU, from the same layer. All must outlive the check.
  SelectionCheck(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer, std::uint64_t trace_key,
                 const StatisticsSource& source);

  /// The device's lists of kept slots, one per selection, at a refresh; positions ascend.
  void compare(std::uint32_t position, std::span<const LayerSimulation::Selection> selections,
               std::span<const std::vector<std::uint32_t>> kept, SelectionCounts& counts);

 private:
  LayerSimulation state_;
  StatisticsSource source_;
  StatisticsScratch scratch_;
};

}  // namespace kvwave::replay
