// The manifest: what was replayed, how, and what came out, as one JSON object. RESULTS.md describes it.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

/// Inputs with their hashes, settings, versions, device, notices, and one object per configuration with its flags.
/// No times and no thread count: equal inputs give equal bytes.
std::string report_json(const Report& report);

}  // namespace kvwave::replay
