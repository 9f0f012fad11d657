// What a figure is made from, handed to its builder on a background thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "replay/exact_rows.h"
#include "replay/profile.h"
#include "viewer/model/figure.h"
#include "viewer/model/results_cache.h"
#include "viewer/model/trace_source.h"
#include "viewer/model/view_state.h"
#include "viewer/model/worker.h"

namespace kvwave::viewer {

struct OpenedTrace {
  std::shared_ptr<TraceSource> source;
  std::shared_ptr<const TraceSnapshot> snapshot;
  std::shared_ptr<const TraceTokens> tokens;  ///< null until loaded, or without the level
};

/// Results beside the trace they belong to.
struct OpenedResults {
  std::shared_ptr<ResultsCache> cache;
  std::uint32_t trace = 0;  ///< index of the shown trace in them
  const replay::ResultsConfiguration& configuration(std::uint32_t index) const {
    return cache->reader().configurations()[index];
  }
};

struct HeadGrid;

/// Demand of each layer over some steps.
struct WaveCurve {
  std::vector<double> mean, low, high;  ///< [L]; low and high: 10 % and 90 % quantiles over the steps
};

/// What one lane keeps between figures; used by that lane's thread alone.
struct LaneCache {
  std::uint64_t keys_of = 0;  ///< TraceSource::id() of whose keys these are
  std::uint32_t keys_layer = 0, keys_positions = 0;
  std::unique_ptr<replay::LayerKeys> keys;
  std::shared_ptr<const HeadGrid> head_grid;
  std::string head_grid_key;
  std::map<std::string, WaveCurve> waves;  ///< the newest few: a moved cursor changes budgets, rarely the wave
};

struct FigureInputs {
  ViewState view;
  std::vector<OpenedTrace> traces;  ///< at least one; the first is the one shown everywhere
  std::optional<OpenedResults> results;
  std::shared_ptr<const replay::Profile> profile;
  Lane lane = Lane::quick;
  LaneCache* cache = nullptr;
  Cancel cancel;

  const OpenedTrace& main() const { return traces.front(); }
  const TraceSnapshot& snapshot() const { return *traces.front().snapshot; }
  const traces::ModelShape& shape() const { return snapshot().info.shape; }
  const traces::TraceReader& reader() const { return traces.front().source->reader(lane); }
  std::uint32_t kv_head() const { return view.selection.q_head / shape().group(); }
  std::uint32_t query_position() const { return snapshot().info.n_prompt + view.step; }
};

/// A figure that cannot be made from what is open; what() tells the user what would help.
class NotThere : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Thrown by builders that noticed Cancel::asked().
struct Cancelled {};

}  // namespace kvwave::viewer
