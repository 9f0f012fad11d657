// Private to alloc: the length of a key or a value.
#pragma once

#include <cmath>
#include <span>

namespace kvwave::alloc {

/// sqrt of the sum of squares, in fp64 from the first channel to the last; 0 for an empty vector.
inline double vector_norm(std::span<const float> vector) {
  double square = 0;
  for (const float x : vector) square += double{x} * x;
  return std::sqrt(square);
}

}  // namespace kvwave::alloc
