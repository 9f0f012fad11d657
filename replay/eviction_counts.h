// How many entries of a cache leave in each step, and how many are left.
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::replay {

/// counts[s] += entries of evicted_at that leave in step s, for s < counts.size() - 1; the last one takes those that
/// stay longer.
void add_eviction_counts(std::span<const std::int32_t> evicted_at, std::span<std::uint32_t> counts);

/// counts: [n_steps] what n_caches caches, all of one prompt, drop in each step together; becomes what they hold in it.
void count_what_is_left(std::uint32_t n_caches, std::uint32_t n_prompt, std::span<std::uint32_t> counts);

}  // namespace kvwave::replay
