// A report read back from results.h5, so that finished traces and shards can be joined. Nothing is trusted: sizes are
// checked against each other before they are used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "replay/report.h"

namespace kvwave::traces {
class ArrayFileReader;
}

namespace kvwave::replay {

/// One part of a list of traces: every `count`-th trace from the `index`-th on, index in [1, count].
struct Shard {
  std::uint32_t index = 1, count = 1;
  bool operator==(const Shard&) const = default;
};

struct StoredReport {
  Report report;  ///< settings, configurations, and traces with the figures of whole configurations only
  std::string replay_sha256, program;  ///< as the file says: settings hash; version and commit
  Shard shard;                         ///< 1 of 1 where the file is no shard
  std::uint32_t n_listed = 0;          ///< of a shard: traces in the whole list
  std::vector<std::uint32_t> place;    ///< [traces] of a shard: index in the whole list
};

/// Throws BadResults (no results file, another version, sizes that contradict each other, written before settings were
/// kept), traces::Error (unreadable).
StoredReport read_stored_report(const std::filesystem::path& path);

/// Adds what read_stored_report() left out of trace `index` of that file: the figures of its KV heads.
void read_head_figures(const traces::ArrayFileReader& file, const std::filesystem::path& path, std::size_t index,
                       ReportTrace& trace);

/// "/trace_0007".
std::string trace_group(std::size_t index);

}  // namespace kvwave::replay
