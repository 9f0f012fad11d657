// The k best of a cache's candidates. Ties go to the lower slot; scores are finite.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::alloc {

/// Slots of the `k` largest scores, best first; k <= score.size().
std::vector<std::uint32_t> select_top(std::span<const float> score, std::uint32_t k);

/// The same slots, ascending: for caches that stay in time order. Linear in score.size().
std::vector<std::uint32_t> select_top_set(std::span<const float> score, std::uint32_t k);

}  // namespace kvwave::alloc
