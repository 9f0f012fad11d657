// What `kvwave capture` says at the end: a line for people, an object for programs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "capture/answer_check.h"
#include "capture/session.h"
#include "traces/schema.h"

namespace kvwave::capture {

struct CapturedPrompt {
  std::string id;              ///< of a dataset's line, else empty
  std::filesystem::path path;  ///< empty when nothing was recorded
  RunResult run;
  std::optional<bool> is_right;  ///< whether the output gives the dataset's answer; empty where it states none
};

/// Over the prompts whose answer was checked; nothing when there is none.
std::optional<Accuracy> count_right(const std::vector<CapturedPrompt>& prompts);

/// E.g. "7 of 10 answers right: 0.700 (95 % interval 0.397 to 0.892)".
std::string accuracy_line(const Accuracy& accuracy);

/// One line, e.g. "pens.h5: 92 tokens in 0.51 s (180 tok/s), end_token; 12.3 MB".
std::string summary_line(const CapturedPrompt& prompt);

/// The object of `--json`: sums over all prompts, and with a dataset the array `traces` (each with `correct` where its
/// answer was checked) and `accuracy` with `right`, `total`, `share`, `low` and `high`.
std::string report_json(const std::vector<CapturedPrompt>& prompts, const traces::Levels& levels, bool recorded,
                        bool dataset, unsigned threads);

}  // namespace kvwave::capture
