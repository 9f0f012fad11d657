// The part of results.h5 that is not inside a trace: configurations, settings, figures and statistics over traces.
#pragma once

#include "replay/report.h"

namespace kvwave::traces {
class ArrayFileWriter;
}

namespace kvwave::replay {

/// Configurations, settings and root attributes, and what finish_report() formed where it was called. `first`: the
/// trace whose model the root attributes name.
void write_shared_results(traces::ArrayFileWriter& file, const Report& report, const ReportTrace& first);

}  // namespace kvwave::replay
