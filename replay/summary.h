// The figures that people read, formed from the sums of one trace. METRICS.md defines each.
#pragma once

#include <cstdint>
#include <vector>

#include "replay/metric_sums.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// Of a configuration, or of one of its KV heads. NaN where there is nothing to average or it was not asked for.
struct Figures {
  double requested = 0;                   ///< budget in force, entries per KV head
  double realised_mean = 0;               ///< entries that attention reads per KV head
  double realised_peak = 0;               ///< of a configuration: peak of all KV heads together, per KV head
  double bytes_mean = 0, bytes_peak = 0;  ///< keys and values of those entries, summed over what the figure covers
  double retained_mass = 0;               ///< certified lower bound when rows are truncated, exact otherwise
  double retained_mass_hi = 0;            ///< upper bound; equal to retained_mass for exact rows
  double worst_decile = 0;                ///< retained mass of the worst tenth of the steps
  double output_error = 0, output_error_bound = 0;
  double recall = 0;
  double needed_after_eviction = 0;  ///< positions; of a configuration: mean per KV head
  double churn = 0, jaccard = 0;
};

struct ConfigurationSummary {
  Figures total;
  std::vector<Figures> kv_heads;  ///< [L, Hkv]
  std::uint32_t n_counted = 0;    ///< steps the figures average over
};

/// One per configuration of the sweep. `value_bytes`: bytes of one stored key or value channel.
std::vector<ConfigurationSummary> summarise(const MetricSums& sums, const Sweep& sweep, std::uint32_t value_bytes);

/// The columns of the evaluation that a configuration averages.
std::vector<std::uint32_t> columns_of(const Sweep& sweep, std::uint32_t configuration);

}  // namespace kvwave::replay
