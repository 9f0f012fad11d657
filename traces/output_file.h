// Output that appears whole or not at all: written under a temporary name in the same folder, then renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace kvwave::traces {

/// Throws OutputExists when `path` exists and `overwrite` is false, OutputFailed when it is a folder or its folder is
/// missing or not writable. Call before long work starts.
void check_output(const std::filesystem::path& path, bool overwrite);
/// Writes `text` to `path` atomically; "-" writes to stdout. Throws as check_output, or OutputFailed.
void write_text_file(const std::filesystem::path& path, std::string_view text, bool overwrite);
/// Free bytes for an unprivileged user on the file system that holds `path` (or its nearest existing parent).
std::uint64_t free_disk_bytes(const std::filesystem::path& path);

}  // namespace kvwave::traces
