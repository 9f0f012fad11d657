// The tidy table: one row per trace x configuration x layer x kv_head. RESULTS.md describes the columns.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

/// Header line and rows; missing figures are empty fields, text is quoted where CSV needs it (RFC 4180).
std::string report_csv(const Report& report);

}  // namespace kvwave::replay
