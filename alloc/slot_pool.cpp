#include "alloc/slot_pool.h"

#include <algorithm>
#include <numeric>

namespace kvwave::alloc {
namespace {

std::span<const double> neighbours(std::span<const double> value, std::uint32_t kernel, std::size_t slot) {
  const std::size_t half = kernel / 2;
  const std::size_t first = slot > half ? slot - half : 0;
  return value.subspan(first, std::min(value.size(), slot + half + 1) - first);
}

}  // namespace

void average_pool(std::span<const double> value, std::uint32_t kernel, std::span<float> out) {
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::span<const double> near = neighbours(value, kernel, j);
    out[j] = static_cast<float>(std::accumulate(near.begin(), near.end(), 0.0) / kernel);
  }
}

void max_pool(std::span<const double> value, std::uint32_t kernel, std::span<float> out) {
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::span<const double> near = neighbours(value, kernel, j);
    out[j] = static_cast<float>(*std::max_element(near.begin(), near.end()));
  }
}

}  // namespace kvwave::alloc
