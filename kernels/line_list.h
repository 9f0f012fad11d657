// Private to kernels: which lines of a tile go into a sum.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

/// n_added lines to add, then n_removed lines to take away.
struct LineList {
  const std::uint32_t* added;
  std::size_t n_added;
  const std::uint32_t* removed;
  std::size_t n_removed;
};

}  // namespace kvwave::kernels
