// Turns the recording of another program into a trace: attention rows, or q, k and v, or both, with tokens and facts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "capture/trace_description.h"
#include "traces/schema.h"

namespace kvwave::capture {

struct ImportSources {
  std::filesystem::path facts;                      ///< recording_facts.h
  std::optional<std::filesystem::path> attentions;  ///< attention_arrays.h
  std::optional<std::filesystem::path> vectors;     ///< vector_tensors.h; at least one of the two
  std::optional<std::filesystem::path> model;       ///< of which the recording is: gives hashes and token bytes
};

struct ImportOptions {
  RecordOptions record;      ///< levels: what is wanted
  std::string command_line;  ///< for the trace
  bool overwrite = false;
  unsigned threads = 0;  ///< 0 = as many as the process may use; results do not depend on it
  std::function<void(std::uint32_t done, std::uint32_t all)> progress;
};

struct ImportReport {
  traces::TraceInfo info;
  std::uint32_t n_positions = 0;
  std::uint64_t bytes = 0;
  bool is_interrupted = false;         ///< then nothing was written
  bool last_token_left_out = false;    ///< it was chosen but never fed, so it has no row
  std::optional<double> disagreement;  ///< of given rows and rows recomputed from q and k: the largest of any entry
};

/// Writes `output` whole or not at all. With q, k and v rows are recomputed from them, as everything that works with
/// the trace later does, and given rows must agree within row_agreement_bound(); without them rows are the given ones,
/// those of 16-bit types divided by their sum, and the trace has no level qkv. Rows of the prompt before its last
/// `prompt_window` are checked but not stored, as in every trace. Throws what recording_facts.h, attention_arrays.h and
/// vector_tensors.h say, RecordingShape when rows, tokens, q, k, v or the model contradict each other, RowsDisagree,
/// BadRecording when a level is wanted that the recording cannot give, and what TraceWriter throws.
ImportReport import_recording(const ImportSources& sources, const ImportOptions& options,
                              const std::filesystem::path& output);

}  // namespace kvwave::capture
