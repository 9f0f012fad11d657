// The statistics over traces as text for people: differences to the baseline with their intervals, and frontiers.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

/// "" for a single trace. The figures shown are retained mass and output error; the CSV and the manifest hold all.
std::string statistics_table(const Report& report);

}  // namespace kvwave::replay
