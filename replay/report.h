// A finished replay of one or more traces, with everything its outputs say: the table, the CSV, the manifest and
// results.h5 are four views of this one object.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replay/profile.h"
#include "replay/replay_trace.h"
#include "replay/summary.h"

namespace kvwave::replay {

/// Realised memory that differs from the baseline's by more than this is flagged.
inline constexpr double kMemoryTolerance = 0.01;

struct ReportTrace {
  std::string path;  ///< as the user gave it
  std::string content_sha256, model_name, model_sha256;
  std::uint32_t value_bytes = 2;  ///< of one stored key or value channel
  double repeated_8grams = 0;     ///< share of generated 8-grams that occurred before; NaN without tokens
  std::unique_ptr<TraceReplay> replay;
  std::vector<ConfigurationSummary> summaries;  ///< [C]
};

/// One configuration over all traces: equal weight per trace.
struct ReportLine {
  Figures mean;
  Figures half_width;  ///< 95 % confidence half-width over traces (Student t); NaN for one trace
  bool unequal_mean = false, unequal_peak = false;  ///< realised memory differs from the baseline's
  bool in_sample = false;                           ///< its demand profile was made from a trace evaluated here
  std::uint32_t n_counted = 0;                      ///< steps averaged, summed over traces
};

struct ReportProfile {
  std::string path;  ///< empty: calibrated on the traces replayed here
  Profile profile;
  bool in_sample = false;    ///< contains an evaluated trace
  bool other_model = false;  ///< made from another model's traces
};

struct Report {
  std::vector<ReportTrace> traces;
  std::vector<Configuration> configurations;
  std::vector<ReportLine> lines;  ///< [C]
  std::optional<ReportProfile> profile;
  Metrics metrics;
  bool stored_rows = false;  ///< some trace lacked q, k and v
  std::string device;        ///< e.g. "cpu (avx512)"
};

/// Fills configurations and lines from the traces (at least one, all with the same configurations).
void finish_report(Report& report);

/// The sentence that every view of a report carries.
extern const char* const kOpenLoopNotice;

}  // namespace kvwave::replay
