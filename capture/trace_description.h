// What a trace says about the run that made it, filled in before the first step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/model.h"
#include "capture/session.h"
#include "traces/schema.h"

namespace kvwave::capture {

struct RecordOptions {
  traces::Levels levels;
  double epsilon = traces::kDefaultEpsilon;
  std::vector<double> rho = traces::kDefaultRho;
  std::uint32_t prompt_window = traces::kPromptWindow;
  traces::FloatType attention_dtype = traces::FloatType::f16;
};

/// What is known once per program run.
struct RunIdentity {
  std::string command_line;
  std::string model_sha256, tokenizer_sha256;  ///< hashing a large file takes time: done once, not per prompt
  std::string attention_kernel;
  std::string prompt_form;                      ///< "raw" or "chat"
  std::optional<bool> thinking = std::nullopt;  ///< the chat template's switch, where it was given
  std::string device = "cpu";
};

/// SHA-256 of token ids as little-endian int32: `prompt_sha256` and `continuation_sha256`.
std::string ids_sha256(std::span<const std::int32_t> ids);

traces::TraceInfo describe_trace(const Model& model, const PromptTokens& prompt, const DecodeOptions& decode,
                                 const RecordOptions& record, const RunIdentity& identity);

}  // namespace kvwave::capture
