// A finished replay of one or more traces, with everything its outputs say: the table, the CSV, the manifest and
// results.h5 are four views of this one object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replay/comparison.h"
#include "replay/profile.h"
#include "replay/sequence.h"
#include "replay/summary.h"
#include "replay/sweep.h"
#include "replay/tile_scores.h"

namespace kvwave::replay {

/// Realised memory that differs from the baseline's by more than this is flagged.
inline constexpr double kMemoryTolerance = 0.01;

struct ReportTrace {
  std::string path;  ///< as the user gave it
  std::string content_sha256, model_name, model_sha256;
  std::string device;  ///< that replayed it, e.g. "cpu (avx512)"
  Sequence sequence;
  std::uint32_t value_bytes = 2;  ///< of one stored key or value channel
  double repeated_8grams = 0;     ///< share of generated 8-grams that occurred before; NaN without tokens
  bool stored_rows = false;       ///< lacked q, k and v: rows came from the attention level
  bool in_sample = false;         ///< the profile used for it was made from it
  double profile_distance = 0;    ///< W1 of its wave to that profile's; NaN without a given profile or level stats
  std::vector<ConfigurationSummary> summaries;  ///< [C]; what is not of the whole configuration may be left out
};

/// One configuration over all traces: equal weight per trace.
struct ReportLine {
  Figures mean;
  Figures low, high;  ///< bootstrap interval over traces; NaN for one trace
  /// Configurations that its memory is compared with: its baseline and that of the differences; not itself unless there
  /// is no other. `unequal_to`: those of them that differ in mean or peak. In this order, each once.
  std::vector<std::uint32_t> compared_with, unequal_to;
  bool unequal_mean = false, unequal_peak = false;  ///< of any of them
  bool in_sample = false;                           ///< its demand profile was made from a trace evaluated here
  std::uint32_t n_counted = 0;                      ///< steps averaged, summed over traces
};

struct ReportProfile {
  std::string path;  ///< empty: calibrated on the traces replayed here
  Profile profile;
};

/// A file of budgets that strategies name, as it was when the run was planned.
struct ReportTable {
  std::string path;    ///< as the strategy has it
  std::string sha256;  ///< of its bytes
};

struct Report {
  std::vector<ReportTrace> traces;
  std::vector<Configuration> configurations;
  std::vector<ReportProfile> profiles;  ///< at most one per model; empty when no strategy asks for demand
  std::vector<ReportTable> tables;      ///< one per path, ascending
  Metrics metrics;
  bool match_memory = false;  ///< budgets are asked memory, and strategies run with what realises it
  StatisticsSettings statistics;
  // Formed by finish_report().
  std::vector<ReportLine> lines;            ///< [C]
  std::vector<LineComparison> comparisons;  ///< [C]; empty for one trace
  std::vector<FrontierFigure> frontier;     ///< empty below kFewestFrontierPoints budgets
  bool stored_rows = false;                 ///< some trace lacked q, k and v
  bool in_sample = false;                   ///< some trace is in the profile used for it
};

/// Fills lines, comparisons and frontier from the traces (at least one), configurations and settings.
/// Throws UnequalResults when the statistics' baseline is none of the configurations.
void finish_report(Report& report);

/// Names of configurations, "; " between them.
std::string strategies_text(const Report& report, const std::vector<std::uint32_t>& configurations);

/// The profile that a trace's strategies used: that of its model, else the only one. Null when there is none.
const ReportProfile* profile_of(const Report& report, const ReportTrace& trace);

/// What a reader must know of how well profiles fit: one line each, naming the numbers. Empty when all is well.
std::vector<std::string> profile_warnings(const Report& report);

/// The devices that replayed the traces, in order of first appearance, joined by "; ".
std::string devices_of(const Report& report);

/// The sentence that every view of a report carries.
extern const char* const kOpenLoopNotice;

}  // namespace kvwave::replay
