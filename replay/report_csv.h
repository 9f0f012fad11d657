// The tidy CSV: one row per trace, configuration, layer and kv_head. RESULTS.md specifies the columns.
#pragma once

#include <string>
#include <string_view>

#include "replay/report.h"

namespace kvwave::replay {

std::string csv_header();
/// Rows of one trace of `report`, which needs the figures of its KV heads.
std::string csv_rows(const Report& report, const ReportTrace& trace);

/// A field quoted where RFC 4180 asks for it.
std::string csv_field(std::string_view text);

}  // namespace kvwave::replay
