#include "alloc/select_top.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace kvwave::alloc {
namespace {

// A full sort with the rule written out.
std::vector<std::uint32_t> sorted_top(const std::vector<float>& score, std::uint32_t k) {
  std::vector<std::uint32_t> slot(score.size());
  std::iota(slot.begin(), slot.end(), 0U);
  std::sort(slot.begin(), slot.end(),
            [&](std::uint32_t a, std::uint32_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
  slot.resize(k);
  return slot;
}

TEST(SelectTop, is_a_full_sort_with_ties_to_the_lower_slot) {
  const unsigned seed = 81;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<float> score(random() % 60);
    const auto n_values = 1 + random() % 12;  // few values, many ties
    for (float& value : score) value = static_cast<float>(random() % n_values);
    for (std::uint32_t k = 0; k <= score.size(); ++k) {
      std::vector<std::uint32_t> expected = sorted_top(score, k);
      ASSERT_EQ(select_top(score, k), expected);
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(select_top_set(score, k), expected);
    }
  }
}

}  // namespace
}  // namespace kvwave::alloc
