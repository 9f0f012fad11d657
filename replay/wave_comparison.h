// How alike are the waves of two data sets, or of two models? The ReasonAlloc paper's evidence that the wave belongs to
// the model: distances across tasks 0.0132, across models 0.0503 (arXiv 2606.11164; what was averaged is not
// published).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/bootstrap.h"
#include "replay/calibrate.h"

namespace kvwave::replay {

/// Traces of one data set and one model.
struct WaveSet {
  std::string name;
  std::vector<CalibratedTrace> traces;  ///< at least one; all of one model and layer count
};

struct Distance {
  double value = 0;
  Interval interval;  ///< over traces; NaN where a set has a single trace
};

/// Distances are wave_distance(): W1 between curves normalised to sum 1, over relative depth in [0, 1].
struct SetDistances {
  std::size_t a = 0, b = 0;  ///< sets; equal = within one
  bool same_model = true;
  Distance of_means;   ///< between the sets' mean waves; within one set: NaN
  Distance of_traces;  ///< mean over pairs of traces, one of each set; within one set over its pairs
};

/// A layer in which two sets differ: share of the whole demand in percent points.
struct LayerDifference {
  std::size_t layer = 0;
  double share_a = 0, share_b = 0;  ///< of the sum over layers of the mean wave
  Interval interval;                ///< of share_a - share_b, over traces
};

/// Within each set, then each pair of sets. Resampling draws traces of each set independently; a trace drawn twice is
/// no pair with itself.
std::vector<SetDistances> set_distances(std::span<const WaveSet> sets, const BootstrapOptions& options);

/// The layers that differ most, largest first, at most `n`. Empty when the sets differ in their number of layers.
std::vector<LayerDifference> layer_differences(const WaveSet& a, const WaveSet& b, std::size_t n,
                                               const BootstrapOptions& options);

}  // namespace kvwave::replay
