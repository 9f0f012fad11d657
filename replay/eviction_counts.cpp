#include "replay/eviction_counts.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace kvwave::replay {

// Without branches, which would be guessed wrong at every other position, and in two tables by turns, since neighbours
// often leave together and a counter that was just written is slow to read.
void add_eviction_counts(std::span<const std::int32_t> evicted_at, std::span<std::uint32_t> counts) {
  const auto end = static_cast<std::int32_t>(counts.size() - 1);
  const auto slot = [&](std::size_t i) { return static_cast<std::size_t>(std::min(evicted_at[i], end)); };
  std::vector<std::uint32_t> other(counts.size());
  std::size_t i = 0;
  for (; i + 2 <= evicted_at.size(); i += 2) {
    ++counts[slot(i)];
    ++other[slot(i + 1)];
  }
  if (i < evicted_at.size()) ++counts[slot(i)];
  for (std::size_t s = 0; s < counts.size(); ++s) counts[s] += other[s];
}

void count_what_is_left(std::uint32_t n_caches, std::uint32_t n_prompt, std::span<std::uint32_t> counts) {
  std::uint32_t gone = 0;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    gone += counts[s];
    counts[s] = n_caches * static_cast<std::uint32_t>(n_prompt + s + 1) - gone;
  }
}

}  // namespace kvwave::replay
