#include "alloc/select_top.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace kvwave::alloc {
namespace {

// All slots but the worst: what a policy that cuts in every step asks for.
std::vector<std::uint32_t> all_but_worst(std::span<const float> score) {
  std::size_t worst = 0;
  for (std::size_t j = 1; j < score.size(); ++j) {
    if (score[j] <= score[worst]) worst = j;
  }
  std::vector<std::uint32_t> slot(score.size() - 1);
  std::iota(slot.begin(), slot.begin() + static_cast<std::ptrdiff_t>(worst), 0U);
  std::iota(slot.begin() + static_cast<std::ptrdiff_t>(worst), slot.end(), static_cast<std::uint32_t>(worst + 1));
  return slot;
}

}  // namespace

std::vector<std::uint32_t> select_top_set(std::span<const float> score, std::uint32_t k) {
  if (k == 0) return {};
  std::vector<std::uint32_t> slot(score.size());
  if (k >= score.size()) {
    std::iota(slot.begin(), slot.end(), 0U);
    return slot;
  }
  if (k + std::size_t{1} == score.size()) return all_but_worst(score);
  std::vector<float> value(score.begin(), score.end());
  std::nth_element(value.begin(), value.begin() + (k - 1), value.end(), std::greater<>());
  const float least = value[k - 1];
  auto at_least = static_cast<std::uint32_t>(std::count(value.begin(), value.begin() + k, least));  // ties taken
  std::size_t n = 0;
  for (std::uint32_t j = 0; j < score.size(); ++j) {
    if (score[j] < least || (score[j] == least && at_least == 0)) continue;
    if (score[j] == least) --at_least;
    slot[n++] = j;
  }
  slot.resize(n);
  return slot;
}

std::vector<std::uint32_t> select_top(std::span<const float> score, std::uint32_t k) {
  std::vector<std::uint32_t> slot = select_top_set(score, k);
  std::stable_sort(slot.begin(), slot.end(), [&](std::uint32_t a, std::uint32_t b) { return score[a] > score[b]; });
  return slot;
}

}  // namespace kvwave::alloc
