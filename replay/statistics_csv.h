// Figures with intervals and differences over traces as a tidy CSV: one row per configuration and figure, then one per
// strategy and area under its frontier. RESULTS.md specifies the columns.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

std::string statistics_csv(const Report& report);

}  // namespace kvwave::replay
