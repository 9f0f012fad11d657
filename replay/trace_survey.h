// What a run needs to know of each of its traces before it replays the first: read from the file, which is closed
// again.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/sequence.h"
#include "traces/schema.h"

namespace kvwave::traces {
class TraceReader;
}

namespace kvwave::replay {

struct TraceSurvey {
  std::string path;            ///< as the user gave it
  std::string content_sha256;  ///< "" when it was not asked for
  std::string model_name, model_sha256;
  traces::Levels levels;
  Sequence sequence;
  std::uint32_t value_bytes = 2;  ///< of one stored key or value channel
  double repeated_8grams = 0;     ///< share of generated 8-grams that occurred before; NaN without level tokens
};

/// Reads headers and tokens, and the whole file when `with_hash`. Throws what traces::TraceReader throws.
TraceSurvey survey_trace(const std::string& path, bool with_hash);

/// Throws DuplicateTrace, naming both files, when two have the same (known) content hash.
void refuse_duplicates(std::span<const TraceSurvey> traces);

}  // namespace kvwave::replay
