// What a compressed file can at most hold: a bound on numbers that it states of itself.
#pragma once

#include <cstdint>

namespace kvwave::traces {

/// Most that deflate packs into one byte is 1032; beyond this many rows, entries or bytes per byte of file, an extent
/// is made up.
inline constexpr std::uint64_t kMostPerByte = 1100;

}  // namespace kvwave::traces
