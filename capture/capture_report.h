// What `kvwave capture` says at the end: a line for people, an object for programs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "capture/pass_rate.h"
#include "capture/session.h"
#include "traces/schema.h"

namespace kvwave::capture {

struct CapturedPrompt {
  std::string id;              ///< of a dataset's line, else empty
  std::filesystem::path path;  ///< empty when nothing was recorded
  RunResult run;
  std::optional<bool> is_right;  ///< whether the output gives the dataset's answer; empty where it states none
};

/// One line, e.g. "pens.h5: 92 tokens in 0.51 s (180 tok/s), end_token; 12.3 MB".
std::string summary_line(const CapturedPrompt& prompt);

/// The object of `--json`: sums over all prompts, and of a dataset the array `traces` (each with `correct` where its
/// answer was checked), `kept` (finished traces that --resume left as they are) and, where answers were checked,
/// `accuracy` as in the manifest.
struct ReportContext {
  traces::Levels levels;
  bool recorded = true, dataset = false;
  unsigned threads = 1;
  std::size_t n_kept = 0;
  PassRate pass_rate;
};
std::string report_json(const std::vector<CapturedPrompt>& prompts, const ReportContext& context);

}  // namespace kvwave::capture
