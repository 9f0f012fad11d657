// The figures that people read, formed from the sums of one trace. METRICS.md defines each.
#pragma once

#include <cstdint>
#include <vector>

#include "replay/metric_sums.h"
#include "replay/no_figure.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// Of a configuration, of one of its layers, or of one of its KV heads. NaN where there is nothing to average, it was
/// not asked for, or the figure does not exist at that level.
struct Figures {
  double solved_budget = kNoFigure;    ///< that the strategy ran with; the asked one unless memory was matched
  double requested = kNoFigure;        ///< budget in force, entries per KV head
  double realised_mean = kNoFigure;    ///< entries that attention reads per KV head
  double realised_steady = kNoFigure;  ///< entries left by an eviction
  double realised_peak = kNoFigure;    ///< of a configuration: peak of all KV heads together, per KV head
  /// Entries that take memory (a selection holds more than attention reads), in whole pages.
  double paged_mean = kNoFigure, paged_steady = kNoFigure, paged_peak = kNoFigure;
  /// Keys and values of the paged entries, summed over what the figure covers.
  double bytes_mean = kNoFigure, bytes_steady = kNoFigure, bytes_peak = kNoFigure;
  double bytes_read = kNoFigure;   ///< of the entries that attention reads in a step, summed likewise
  double bytes_moved = kNoFigure;  ///< to or from a reservoir in a step, summed likewise; offload only
  double budget_gini = kNoFigure;  ///< inequality of `requested` over the KV heads; configuration and layer only

  double retained_mass = kNoFigure;     ///< certified lower bound when rows are truncated, exact otherwise
  double retained_mass_hi = kNoFigure;  ///< upper bound; equal to retained_mass for exact rows
  double worst_decile = kNoFigure, worst_step = kNoFigure;  ///< retained mass of the worst tenth, of the worst step
  double worst_step_at = kNoFigure;                         ///< which decode step that was; one trace only
  double output_error = kNoFigure, output_error_bound = kNoFigure;  ///< of a layer: over its concatenated heads
  double output_error_worst_decile = kNoFigure, output_error_worst_step = kNoFigure;
  double recall = kNoFigure, recall_worst_decile = kNoFigure, recall_worst_step = kNoFigure;

  double needed_after_eviction = kNoFigure;  ///< positions; of a configuration: mean per KV head
  double needed_first_step = kNoFigure;      ///< first decode step in which one was; of a configuration: the earliest
  double churn = kNoFigure, jaccard = kNoFigure;
  double time_to_recover = kNoFigure;  ///< steps below kRecoveryLevel per drop
  double drops = kNoFigure;            ///< drops below kRecoveryLevel, per KV head
  double below_share = kNoFigure;      ///< of the counted steps

  /// Of whole configurations, from their allocator: entries per KV head granted at a refresh that nothing could fill
  /// then, and layers (heads, where their budgets are fixed) that a bound changed; means over refreshes.
  double granted_unused = kNoFigure;
  double floors_hit = kNoFigure, caps_hit = kNoFigure;

  double place_oracle = kNoFigure;      ///< retained mass between the random control (0) and the oracle (1)
  double place_ceiling = kNoFigure;     ///< the same between random (0) and the ceiling (1)
  double protection_share = kNoFigure;  ///< of the gain over chance: what trigger and protection have without the score
};

struct ConfigurationSummary {
  Figures total;
  std::vector<Figures> layers;    ///< [L]
  std::vector<Figures> kv_heads;  ///< [L, Hkv]
  std::uint32_t n_counted = 0;    ///< steps the figures average over
};

/// One per configuration of the sweep. `value_bytes`: bytes of one stored key or value channel.
std::vector<ConfigurationSummary> summarise(const MetricSums& sums, const Sweep& sweep, std::uint32_t value_bytes);

/// The columns of the evaluation that a configuration averages.
std::vector<std::uint32_t> columns_of(const Sweep& sweep, std::uint32_t configuration);

}  // namespace kvwave::replay
