// Private to traces/: the root attributes of a trace, written and read from one list so that both sides agree.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "traces/hdf5_handle.h"
#include "traces/schema.h"

namespace kvwave::traces {

inline constexpr std::size_t kMostText = std::size_t{64} << 10;  ///< longest string attribute in bytes

/// Throws std::invalid_argument when a value cannot stand in a trace (sizes of 0, heads that do not divide, rho out of
/// order, a string beyond 64 KiB). A longer command_line is cut and ends in "...".
TraceInfo checked_info(TraceInfo info);

void write_text_attribute(hid_t object, const char* name, std::string_view text);
void write_number_attribute(hid_t object, const char* name, hid_t file_type, hid_t memory_type, const void* value);
void write_list_attribute(hid_t object, const char* name, std::span<const double> values);
void write_root_attributes(hid_t file, const TraceInfo& info);

/// Throws NotATrace (no or another `format`), NewerVersion, WrongShape (absent or of another type) or CorruptTrace.
/// `rho` is not among the root attributes and keeps its default.
TraceInfo read_root_attributes(hid_t file, const std::filesystem::path& path);
/// Ascending values in (0, 1]: the attribute `rho` of a stats dataset.
std::vector<double> read_rho(hid_t dataset, const std::filesystem::path& path);

/// Name and printed value of what describes the run, for the content hash: everything but versions and command line.
std::vector<std::pair<std::string, std::string>> describing_attributes(const TraceInfo& info);

}  // namespace kvwave::traces
