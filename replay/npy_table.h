// Private to replay: tables as NumPy's .npy files (traces/npy_array.h), as far as LU-KV's curves need them:
// [layers, heads] or [planes, layers, heads].
#pragma once

#include <string>
#include <string_view>

#include "alloc/allocator.h"

namespace kvwave::replay {

inline constexpr std::uint32_t kMostTableHeads = 4096;  ///< layers, and heads of a layer
inline constexpr std::uint32_t kMostTablePlanes = 1024;

/// Throws BadTableFile (without the file's name) naming what was expected and found.
alloc::HeadTable parse_npy_table(std::string_view bytes);

/// float32 with three dimensions; what numpy.save writes, byte for byte.
std::string npy_table_bytes(const alloc::HeadTable& table);

}  // namespace kvwave::replay
