// How many positions or steps share a cell of a map.
#pragma once

#include <cstdint>

namespace kvwave::viewer {

/// The least pool with which `n` of them take at most 2,048 cells, a side of the largest map.
inline std::uint32_t map_pool(std::uint32_t n) {
  constexpr std::uint32_t kMostCells = 2048;
  return n <= kMostCells ? 1 : (n + kMostCells - 1) / kMostCells;
}

}  // namespace kvwave::viewer
