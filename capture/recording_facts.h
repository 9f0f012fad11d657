// What another program says about a recording it made: recording.json. docs/import.md lists the fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "traces/schema.h"

namespace kvwave::capture {

/// The type that the other program computed attention in; rows are as exact as that.
enum class SourceType { f32, f16, bf16 };

struct RecordingFacts {
  std::string program;  ///< e.g. "transformers 5.23.0"
  std::string model_name, architecture;
  std::string model_sha256;  ///< as stated, else of the facts about the model
  traces::ModelShape shape;
  std::uint32_t vocab_size = 0;  ///< where it is not stated, one more than the largest id
  double rope_theta = 0;
  std::string rope_layout = "half";
  std::string rope_scaling = "{}";  ///< JSON object
  SourceType type = SourceType::f32;
  std::optional<double> scaling;  ///< of q.k; traces hold rows of 1 / sqrt(head_dim)
  std::string device;
  std::string sampling;  ///< JSON object
  std::uint64_t seed = 0;
  traces::StopReason stop_reason = traces::StopReason::token_limit;

  std::vector<std::int32_t> ids;    ///< prompt first; at least one
  std::uint32_t n_prompt = 0;       ///< 1 .. ids.size()
  std::vector<std::string> pieces;  ///< text of each token; empty when not given
  std::vector<float> logprobs;      ///< of the generated tokens; empty when not given
};

/// Throws BadModelFile (and DuplicateName) naming the file and the field.
RecordingFacts read_recording_facts(const std::filesystem::path& path);

/// Most that the sum of a row may differ from 1: f32 2e-5, f16 2e-3, bf16 8e-3.
double row_sum_bound(SourceType type);
/// Most that an entry of a given row may differ from the row recomputed from q and k: f32 1e-4, f16 1e-2, bf16 5e-2.
double row_agreement_bound(SourceType type);
std::string_view to_string(SourceType type);  ///< "f32", "f16" or "bf16"

}  // namespace kvwave::capture
