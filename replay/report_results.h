// results.h5: the comparison and everything the viewer needs to show it. RESULTS.md specifies the file.
#pragma once

#include <filesystem>

#include "replay/replay_trace.h"
#include "replay/report.h"

namespace kvwave::replay {

inline constexpr int kResultsVersion = 1;

/// One replayed trace as a results file of its own, without what is formed over traces. `report`: the settings and
/// configurations of the run, no traces. Residencies and metrics over time only where the replay kept details.
/// Throws OutputExists, OutputFailed.
void write_finished_trace(const std::filesystem::path& path, const Report& report, const ReportTrace& trace,
                          const TraceReplay& replay, bool overwrite);

}  // namespace kvwave::replay
