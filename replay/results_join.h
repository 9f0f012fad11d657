// Finished traces and shards put together: one report, and the files it is written to. A run ends here, and so does
// `kvwave merge`, which is why three shards give byte for byte what one run gives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "replay/report_stored.h"

namespace kvwave::replay {

/// Files to write; "" = not asked for, "-" = stdout (not for results).
struct ReportOutputs {
  std::string results, csv, json, statistics, ledger_csv;
  bool force = false;

  /// Whether a text output goes to stdout, so that the table must not.
  bool uses_stdout() const { return csv == "-" || json == "-" || statistics == "-" || ledger_csv == "-"; }
};

/// Throws traces::UsageError for two outputs on one file or both on stdout, and what traces::check_output() throws.
void check_outputs(const ReportOutputs& outputs);

/// The place of a run's own traces in the list that all its shards share.
struct ShardPlace {
  Shard shard;
  std::uint32_t n_listed = 0;        ///< traces in the whole list
  std::vector<std::uint32_t> place;  ///< of each own trace
};

class ResultsJoin {
 public:
  /// Files of one trace each, in the order of the list; `shard` marks the joined file as a shard. Throws BadResults,
  /// UnequalResults, traces::Error.
  static ResultsJoin of_run(const std::vector<std::filesystem::path>& files, std::optional<ShardPlace> shard);
  /// Results to merge: all shards of one run in any order, or results of several runs in the order given. Throws as
  /// of_run(), naming missing and doubled shards, doubled traces, and what differs between the files' settings.
  static ResultsJoin of_files(const std::vector<std::filesystem::path>& files);

  /// The finished report of all traces; figures of KV heads stay in the files. `statistics`: instead of the files' own.
  Report report(const std::optional<StatisticsSettings>& statistics) const;
  /// Writes what was asked for, with one trace in memory at a time. Throws traces::OutputExists, OutputFailed.
  void write(const Report& report, const ReportOutputs& outputs) const;

 private:
  struct Source {
    std::size_t file = 0, index = 0;
  };
  explicit ResultsJoin(const std::vector<std::filesystem::path>& files);
  void refuse_doubled_traces() const;
  void order_shards();
  void write_results(const Report& report, const ReportOutputs& outputs) const;
  // `rows` makes the lines of one trace, which has the figures of its KV heads.
  template <class Rows>
  void write_csv(const Report& report, const std::string& path, bool force, const std::string& header,
                 const Rows& rows) const;

  std::vector<std::filesystem::path> files_;
  std::vector<StoredReport> stored_;  // [files]
  std::vector<Source> order_;         // [traces]
  std::optional<ShardPlace> shard_;
};

}  // namespace kvwave::replay
