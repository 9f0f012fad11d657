#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

using Budgets = std::vector<std::int32_t>;

TEST(ReasonAllocHeads, match_the_golden_vectors_of_both_operators) {
  const LayerScores layer = scores_with_counts({300, 84, 0, 0}, 1000, 8);
  const std::int32_t total = 384 + 4 * 8;
  EXPECT_EQ(layer.budgets(*allocator("reasonalloc-head"), total), (Budgets{223 + 8, 118 + 8, 22 + 8, 21 + 8}));
  EXPECT_EQ(layer.budgets(*allocator("reasonalloc:operator=waterfill"), total),
            (Budgets{220 + 8, 116 + 8, 24 + 8, 24 + 8}));
}

TEST(ReasonAllocHeads, can_count_the_window_inside_the_shared_budget) {
  const LayerScores layer = scores_with_counts({300, 84, 0, 0}, 1000, 8);
  EXPECT_EQ(layer.budgets(*allocator("reasonalloc-head:window=inside"), 384), (Budgets{223, 118, 22, 21}));
}

TEST(ReasonAllocHeads, evict_nothing_when_everything_fits) {
  LayerScores layer = scores_with_counts({5, 90, 0}, 0, 8);
  const Budgets budget = layer.budgets(*allocator("reasonalloc-head"), 150);
  EXPECT_EQ(budget, (Budgets{5 + 8 + 11, 90 + 8 + 10, 0 + 8 + 10}));
}

TEST(ReasonAllocHeads, divide_equally_when_scores_give_no_reason) {
  LayerScores layer;
  layer.score.assign(3, std::vector<float>(200, 1.0F));
  EXPECT_EQ(layer.budgets(*allocator("reasonalloc-head"), 300), (Budgets{100, 100, 100}));
}

TEST(ReasonAllocHeads, do_not_depend_on_the_order_of_heads_beyond_rounding) {
  const auto rule = allocator("reasonalloc-head");
  const LayerScores layer = scores_with_counts({300, 84, 7, 7}, 1000, 8);
  Budgets forward = layer.budgets(*rule, 398 + 4 * 8);
  LayerScores reversed = layer;
  std::reverse(reversed.score.begin(), reversed.score.end());
  Budgets backward = reversed.budgets(*rule, 398 + 4 * 8);
  std::reverse(backward.begin(), backward.end());
  for (std::size_t h = 0; h < 4; ++h) EXPECT_NEAR(forward[h], backward[h], 1);
  EXPECT_NEAR(forward[2], forward[3], 1);
}

TEST(ReasonAllocHeads, keep_sum_minimum_and_residents_for_random_layers) {
  const unsigned seed = 31337;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(-1, 1);
  for (int round = 0; round < 1000; ++round) {
    LayerScores layer;
    layer.window = static_cast<std::uint32_t>(1 + random() % 16);
    const std::size_t heads = 1 + random() % 8;
    for (std::size_t h = 0; h < heads; ++h) {
      std::vector<float> head(random() % 300);
      const float shift = unit(random);
      for (float& s : head) s = random() % 3 == 0 ? 0.5F : unit(random) + shift;
      layer.score.push_back(std::move(head));
    }
    const auto least = static_cast<std::int32_t>((layer.window + 1) * heads);
    const std::int32_t total = least + static_cast<std::int32_t>(random() % 800);
    for (const std::string text :
         {"reasonalloc-head", "reasonalloc:operator=waterfill", "reasonalloc-head:window=inside,mu=0,beta=1",
          "reasonalloc:surplus=leave,mu=1", "reasonalloc-head:window=inside,operator=waterfill,beta=0"}) {
      const Budgets budget = layer.budgets(*allocator(text), total);
      EXPECT_EQ(sum(budget), total) << text;
      EXPECT_GE(*std::min_element(budget.begin(), budget.end()), static_cast<std::int32_t>(layer.window) + 1) << text;
      EXPECT_EQ(budget, layer.budgets(*allocator(text), total)) << text;
      if (text.find("leave") != std::string::npos) continue;
      std::int64_t residents = 0, unused = 0;
      for (std::size_t h = 0; h < heads; ++h) {
        const auto held = static_cast<std::int64_t>(layer.score[h].size()) + layer.window;
        residents += held;
        unused += std::max<std::int64_t>(0, budget[h] - std::max<std::int64_t>(held, layer.window + 1));
      }
      if (residents > total + static_cast<std::int64_t>(heads)) {
        EXPECT_LE(unused, 1) << text << ": budget above what a head holds is redistributed";
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::alloc
