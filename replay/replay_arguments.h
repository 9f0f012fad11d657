// The words of `kvwave replay`, checked.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "replay/replay_trace.h"
#include "replay/report.h"
#include "replay/results_join.h"

namespace kvwave::replay {

struct ReplayArguments {
  std::vector<std::string> traces;  ///< files, folders and lists expanded
  SweepRequest request;
  ReplayOptions options;
  StatisticsSettings statistics;
  std::vector<std::string> profiles;
  ReportOutputs outputs;
  Shard shard;
  bool resume = false, quiet = false;
  bool ledger = false;   ///< print the ledger after the table
  unsigned threads = 0;  ///< 0 = all
  kernels::DeviceChoice device;
};

/// Nothing when --help was asked for and printed. Throws traces::UsageError, alloc::Error, BadTraceList, BadSweepFile,
/// and what check_outputs() throws.
std::optional<ReplayArguments> parse_replay_arguments(std::span<const std::string> args);

}  // namespace kvwave::replay
