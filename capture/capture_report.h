// What `kvwave capture` says at the end: a line for people, an object for programs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "capture/session.h"
#include "traces/schema.h"

namespace kvwave::capture {

struct CapturedPrompt {
  std::string id;              ///< of a dataset's line, else empty
  std::filesystem::path path;  ///< empty when nothing was recorded
  RunResult run;
};

/// One line, e.g. "pens.h5: 92 tokens in 0.51 s (180 tok/s), end_token; 12.3 MB".
std::string summary_line(const CapturedPrompt& prompt);

/// The object of `--json`: sums over all prompts, and with a dataset the array `traces`.
std::string report_json(const std::vector<CapturedPrompt>& prompts, const traces::Levels& levels, bool recorded,
                        bool dataset, unsigned threads);

}  // namespace kvwave::capture
