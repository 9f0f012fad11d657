// Both phases of a replay on a GPU, layer by layer. Everything that is not numeric work on rows (scores, budgets, sums)
// is the code that the CPU's replay runs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/replay_device.h"
#include "kernels/thread_pool.h"
#include "replay/metric_sums.h"
#include "replay/selection_counts.h"
#include "replay/simulate.h"
#include "replay/sweep.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

class DeviceReplay {
 public:
  /// `device`: index of a CUDA device. With `read_ahead` the next layer is read from `trace` by another thread while
  /// one is worked on: nobody else may use the reader then. Throws DeviceUnavailable, DeviceOutOfMemory,
  /// kernels::Error.
  DeviceReplay(const traces::TraceReader& trace, const Sequence& sequence, int device, bool read_ahead);
  DeviceReplay(const DeviceReplay&) = delete;
  DeviceReplay& operator=(const DeviceReplay&) = delete;

  /// Whether the device's kernels can hold rows of this shape.
  static bool can_hold(const Sequence& sequence);

  /// Makes a layer current. Throws CorruptTrace when a value is not finite.
  void load(std::uint32_t layer);

  /// simulate_layer() for all simulations of the sweep together. `clairvoyant`: refresh positions of those that look
  /// ahead, ascending.
  std::vector<LayerResidency> simulate(const Sweep& sweep, std::span<const std::uint32_t> clairvoyant,
                                       std::uint64_t trace_key);

  /// From now on simulate() also selects on the CPU, and counts what differs. The reader must not be read ahead.
  void compare_selections() { compares_ = true; }
  /// Of all layers so far.
  const SelectionCounts& selection_counts() const { return counts_; }

  /// evaluate_layer() on the device: finishes the layer in `sums`.
  void evaluate(const Sweep& sweep, std::span<const LayerResidency> residency, const Metrics& metrics,
                kernels::ThreadPool& pool, MetricSums& sums);

 private:
  void read(kernels::LayerTensor tensor, std::uint32_t layer, std::uint32_t begin, std::uint32_t end,
            std::span<float> out);

  const traces::TraceReader& trace_;
  const Sequence sequence_;
  std::array<std::vector<float>, 2> max_value_norm_;  // [Hkv, P] of even and odd layers
  std::uint32_t layer_ = 0;
  bool compares_ = false;
  SelectionCounts counts_;
  kernels::ReplayDevice device_;  // last: its thread reads into the others
};

}  // namespace kvwave::replay
