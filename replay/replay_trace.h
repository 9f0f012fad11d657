// One trace under all configurations: both phases, layer by layer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "kernels/thread_pool.h"
#include "replay/evaluate.h"
#include "replay/metric_sums.h"
#include "replay/packed_residency.h"
#include "replay/replan_tally.h"
#include "replay/selection_counts.h"
#include "replay/sweep.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

struct ReplayOptions {
  Metrics metrics;
  bool keep_details = false;  ///< residencies and step bins, for results.h5
  kernels::Device device;     ///< a CUDA device needs level qkv and reads the trace from a thread of its own
  /// On a CUDA device: also selects on the CPU, and counts in TraceReplay::selections what differs. Reads nothing
  /// ahead.
  bool compare_selections = false;
  std::uint64_t layer_bytes = std::uint64_t{1} << 30;  ///< of q, k, v kept for allocators over layers, where all fit
  bool read_ahead = true;  ///< on a CUDA device: false reads each layer when it is needed, in the caller's thread
};

/// What replaying one trace found.
struct TraceReplay {
  Sequence sequence;
  Sweep sweep;
  std::unique_ptr<MetricSums> sums;  ///< refers to `sweep` of this object: heap-held, never moved apart
  std::vector<std::vector<PackedResidency>> residency;  ///< [n_layers][n_simulations] when details were asked for
  std::vector<ReplanTally> replans;                     ///< [n_simulations], or none when no layer budget moves
  std::optional<SelectionCounts> selections;            ///< when they were compared
  bool stored_rows = false;  ///< rows came from the attention level: bounds instead of exact mass, no output error
  double simulate_seconds = 0, evaluate_seconds = 0;  ///< for people and benchmarks, never written to a file
};

/// Thrown when SIGINT or SIGTERM came and an InterruptGuard lives.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// `trace_key`: key_of() its content hash. `progress(done, total)`: layers (or steps, for stored rows). Uses level qkv;
/// without it the attention level serves strategies that need positions only, and the clairvoyant control is left out.
/// Throws MissingLevel (naming the strategy), NothingToCompute, BadBudget, MissingProfile, CorruptTrace, Interrupted,
/// Error for what a CUDA device does not serve (beyond_device(), the clairvoyant split of budgets).
std::unique_ptr<TraceReplay> replay_trace(const traces::TraceReader& trace, std::uint64_t trace_key,
                                          SweepRequest request, std::span<const double> demand,
                                          const ReplayOptions& options, kernels::ThreadPool& pool,
                                          const std::function<void(std::uint64_t, std::uint64_t)>& progress);

/// Sizes of the valid part of a trace.
Sequence sequence_of(const traces::TraceReader& trace);

/// Key of random streams: the first 8 bytes of a content hash of 64 hex digits.
std::uint64_t key_of(const std::string& content_sha256);

}  // namespace kvwave::replay
