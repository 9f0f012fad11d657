#include "alloc/head_sharing.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "alloc/allocator.h"

namespace kvwave::alloc {

std::vector<double> usable_entries(std::span<const std::uint32_t> residents, std::uint32_t set_apart) {
  std::vector<double> usable;
  for (const std::uint32_t held : residents) usable.push_back(held > set_apart ? held - set_apart : 0.0);
  return usable;
}

bool keep_everything(std::span<const double> usable, std::int64_t total, std::span<std::int32_t> share) {
  const auto held = static_cast<std::int64_t>(std::accumulate(usable.begin(), usable.end(), 0.0));
  if (held > total) return false;
  divide_evenly(total - held, share);
  for (std::size_t h = 0; h < usable.size(); ++h) share[h] += static_cast<std::int32_t>(usable[h]);
  return true;
}

std::vector<double> counts_among_top(std::span<const std::span<const float>> scores, std::int64_t total,
                                     ThresholdTies ties) {
  std::vector<float> pool;
  for (const std::span<const float> head : scores) pool.insert(pool.end(), head.begin(), head.end());
  std::vector<double> counts(scores.size(), 0.0);
  const auto rank = std::min(static_cast<std::ptrdiff_t>(total), static_cast<std::ptrdiff_t>(pool.size())) - 1;
  if (rank < 0) return counts;
  std::nth_element(pool.begin(), pool.begin() + rank, pool.end(), std::greater<>());
  const float threshold = pool[static_cast<std::size_t>(rank)];
  std::ptrdiff_t left = rank + 1;
  for (std::size_t h = 0; h < scores.size(); ++h) {
    const auto above = std::count_if(scores[h].begin(), scores[h].end(), [&](float s) { return s > threshold; });
    counts[h] = static_cast<double>(above);
    left -= above;
  }
  for (std::size_t h = 0; h < scores.size(); ++h) {
    std::ptrdiff_t equal = std::count(scores[h].begin(), scores[h].end(), threshold);
    if (ties == ThresholdTies::cut) {
      equal = std::min(equal, left);
      left -= equal;
    }
    counts[h] += static_cast<double>(equal);
  }
  return counts;
}

std::int32_t round_half_even(double value) {
  const double below = std::floor(value);
  const double rest = value - below;
  const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(below, 2.0) != 0.0);
  return static_cast<std::int32_t>(below) + (up ? 1 : 0);
}

}  // namespace kvwave::alloc
