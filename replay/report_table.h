// The table on the terminal: grouped by budget, best first, controls set apart, flags explained below.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

/// Plain text, at most 100 columns wide, ending in a newline.
std::string report_table(const Report& report);

}  // namespace kvwave::replay
