// Private to replay: tables as NumPy's .npy files (format 1.0 to 3.0), as far as LU-KV's curves need them: float32 or
// float64, little endian, C order, [layers, heads] or [planes, layers, heads].
#pragma once

#include <string>
#include <string_view>

#include "alloc/allocator.h"

namespace kvwave::replay {

inline constexpr std::uint32_t kMostTableHeads = 4096;  ///< layers, and heads of a layer
inline constexpr std::uint32_t kMostTablePlanes = 1024;

bool is_npy(std::string_view bytes);

/// Throws BadTableFile (without the file's name) naming what was expected and found.
alloc::HeadTable parse_npy(std::string_view bytes);

/// float32 with three dimensions; what numpy.save writes, byte for byte.
std::string npy_bytes(const alloc::HeadTable& table);

}  // namespace kvwave::replay
