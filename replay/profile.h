// A Reasoning Wave profile: where a model needs memory, layer by layer, as measured on one or more traces. Written by
// `kvwave calibrate`, read by `kvwave replay --profile`. JSON, format `kvwave_profile` 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "replay/wave_reading.h"

namespace kvwave::replay {

inline constexpr int kProfileVersion = 1;

struct Profile {
  std::string model_name;
  std::string model_sha256;           ///< of the parameter file, 64 lower-case hex digits
  double rho = 0;                     ///< demand is N(rho), in (0, 1]
  std::vector<double> demand;         ///< [L] mean over traces, entries per query head
  std::vector<double> demand_spread;  ///< [L] sample standard deviation over traces; 0 for one trace
  std::uint64_t n_rows = 0;           ///< decode rows of all traces
  std::vector<std::string> traces;    ///< content hashes, 64 lower-case hex digits, at least one
  /// [n_traces] W1 of each trace's wave to the mean of the others; empty for one trace, and in profiles of older
  /// programs.
  std::vector<double> trace_distance;
  WaveReading reading;  ///< of the rows; written where it is not the usual one

  bool operator==(const Profile&) const = default;
};

/// Mean W1 distance of waves across tasks of one model that the ReasonAlloc paper reports; across models 0.0503.
inline constexpr double kPaperTaskDistance = 0.0132;

/// The distance from which on a wave of the same model does not fit: the largest of the profile's own trace_distance,
/// at least kPaperTaskDistance.
double fit_limit(const Profile& profile);
/// Where fit_limit() comes from, in words.
std::string fit_limit_text(const Profile& profile);

/// Reads a profile strictly; unknown keys are ignored. Throws BadProfile naming the file and the field for anything
/// that is missing, of another type or size, or not finite; NewerProfile for a later version. At most 16 MiB are read.
Profile read_profile(const std::filesystem::path& path);

/// The same from a text; `path` names its source in messages.
Profile profile_from_json(const std::string& text, const std::filesystem::path& path);

/// The text that read_profile() reads back to an equal profile.
std::string to_json(const Profile& profile);

/// Writes to_json() atomically; "-" is stdout. Throws traces::OutputExists or traces::OutputFailed.
void write_profile(const std::filesystem::path& path, const Profile& profile, bool overwrite);

}  // namespace kvwave::replay
