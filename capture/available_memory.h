// How much memory is left to take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace kvwave::capture {

/// Bytes that this process can still take without swapping: what the kernel calls available, or what the limits of its
/// control groups leave (containers, batch systems; versions 1 and 2) where that is less. File pages in memory count as
/// free: they can be dropped. 0 where the system does not say. `root`: where /proc and /sys are looked for.
std::uint64_t available_memory(const std::filesystem::path& root = "/");

}  // namespace kvwave::capture
