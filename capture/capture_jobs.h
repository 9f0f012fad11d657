// What `kvwave capture` is to decode, prompt by prompt, read and checked before the model is loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "capture/capture_options.h"
#include "capture/chat_template.h"
#include "capture/session.h"

namespace kvwave::capture {

/// One prompt as text, and where its trace goes.
struct CaptureJob {
  std::string id;        ///< of the output: of the dataset's line, with -sN where there are several samples
  std::string problem;   ///< id of the line; empty without a dataset
  std::size_t line = 0;  ///< of the dataset
  std::uint32_t sample = 0;
  std::vector<ChatMessage> messages;
  std::optional<std::string> continuation, answer;
  std::uint64_t seed = 0;
  std::filesystem::path output;  ///< empty when nothing is recorded
  PromptTokens tokens;           ///< filled in once the tokenizer is there
  RunPlan plan;
};

/// Reads all texts, makes the dataset's folder and checks all outputs. Throws BadPrompt, traces::UsageError,
/// traces::OutputExists (a trace or manifest is there, and neither -f nor --resume is given), traces::OutputFailed.
std::vector<CaptureJob> read_jobs(const CaptureOptions& options);

}  // namespace kvwave::capture
