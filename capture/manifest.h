// OUT/manifest.json: what a folder of traces holds, which settings made it, and which answers were right. Replaced as a
// whole after each trace, so that a killed run leaves the state before or after one. Holds neither times nor paths: the
// same command writes the same bytes, however often it was interrupted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "capture/pass_rate.h"

namespace kvwave::capture {

inline constexpr const char* kManifestName = "manifest.json";

/// One output: a line of the dataset and a sample.
struct ManifestEntry {
  std::string id;        ///< of the line
  std::size_t line = 0;  ///< 1-based
  std::uint32_t sample = 0;
  std::uint64_t seed = 0;
  std::string trace;  ///< file name in the folder
  std::string prompt_sha256;
  bool is_finished = false;
  // Of finished ones:
  std::string content_sha256;
  std::uint32_t n_tokens = 0;  ///< generated
  std::string stop_reason;
  std::optional<std::string> expected;  ///< the dataset's answer
  std::optional<std::string> found;     ///< the output's; empty where it has none, or nobody looked
  std::optional<bool> is_right;         ///< where there is an expected answer and the output was sampled
  std::string program;                  ///< that recorded it, where another one writes the manifest; else empty
};

struct Manifest {
  std::string settings;  ///< JSON object: what every trace of the folder has in common (dataset_settings())
  std::string program_version, program_commit, dataset;
  std::string device, attention_kernel;
  std::vector<ManifestEntry> entries;  ///< by line, then sample

  PassRate pass_rate() const;  ///< over finished entries whose answer was checked
};

/// Throws BadPrompt naming file and field when it is no manifest, traces::OutputFailed for a newer one.
Manifest read_manifest(const std::filesystem::path& path);
/// Replaces the file. Throws traces::OutputFailed; the old one is whole then.
void write_manifest(const std::filesystem::path& path, const Manifest& manifest);

/// "" when both settings are the same, else the first that differs in words: "max_tokens is 64, this run has 32".
std::string settings_difference(const std::string& stored, const std::string& wanted);

}  // namespace kvwave::capture
