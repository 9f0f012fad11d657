// results.h5: the comparison and everything the viewer needs to show it. RESULTS.md specifies the file.
#pragma once

#include <filesystem>

#include "replay/report.h"

namespace kvwave::replay {

inline constexpr int kResultsVersion = 1;

/// Needs traces that were replayed with keep_details. Throws OutputExists, OutputFailed.
void write_results(const std::filesystem::path& path, const Report& report, bool overwrite);

}  // namespace kvwave::replay
