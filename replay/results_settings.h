// The settings of a run as results.h5 keeps them, so that finished traces and shards can be recognised and joined.
#pragma once

#include <filesystem>
#include <string>

#include "replay/report.h"

namespace kvwave::replay {

inline constexpr std::uint32_t kLargestPage = 65536;

/// JSON object: `metrics`, `profiles` (with where each came from), `tables`, `statistics`. One line.
std::string settings_json(const Report& report);

/// Reads settings_json() back into metrics, profiles and statistics. `path`: the file it came from, for messages.
/// Throws BadResults naming file and field.
void read_settings(const std::string& json, const std::filesystem::path& path, Report& report);

/// What decides the figures of a trace, hashed: program version and commit, configurations, metrics, profiles and the
/// contents of tables. Two results join when it is equal. The statistics are not in it: they are formed anew.
std::string replay_sha256(const Report& report);

/// "mass,error,recall", as --metrics takes it, and back (throws std::invalid_argument naming the unknown word).
std::string metrics_text(const Metrics& metrics);
Metrics parse_metrics(const std::vector<std::string>& words);

}  // namespace kvwave::replay
