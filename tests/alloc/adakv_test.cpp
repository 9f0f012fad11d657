#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "alloc/head_sharing.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

using Budgets = std::vector<std::int32_t>;

LayerScores golden_layer() {
  LayerScores layer;
  layer.window = 2;
  layer.score = {{.9F, .8F, .7F, .6F, .5F, .4F}, {.35F, .3F, .2F, .1F, .05F, .01F}};
  return layer;
}

TEST(AdaKv, matches_the_golden_vectors_of_the_official_rounding) {
  EXPECT_EQ(golden_layer().budgets(*allocator("adakv:total=upstream"), 6 + 4), (Budgets{4 + 2, 1 + 2}));
  const LayerScores layer = scores_with_counts({7, 4, 2, 3}, 30, 8);
  EXPECT_EQ(layer.budgets(*allocator("adakv:total=upstream"), 4 * 12), (Budgets{6 + 8, 4 + 8, 3 + 8, 4 + 8}));
}

TEST(AdaKv, holds_the_total_by_default) {
  // Shares (4.5, 1.5), the tie to the lower head.
  EXPECT_EQ(golden_layer().budgets(*allocator("adakv"), 6 + 4), (Budgets{5 + 2, 1 + 2}));
  const LayerScores layer = scores_with_counts({7, 4, 2, 3}, 30, 8);
  EXPECT_EQ(layer.budgets(*allocator("adakv"), 4 * 12), (Budgets{6 + 8, 4 + 8, 3 + 8, 3 + 8}));
}

TEST(AdaKv, in_kvpress_form_keeps_the_safe_entries_of_each_head_first) {
  // C = 3, one safe entry each; the four best of the rest are all in head 0.
  EXPECT_EQ(golden_layer().budgets(*allocator("adakv:form=kvpress"), 6 + 4), (Budgets{5 + 2, 1 + 2}));
  EXPECT_EQ(golden_layer().budgets(*allocator("adakv:form=kvpress,alpha=1"), 6 + 4), (Budgets{3 + 2, 3 + 2}));
  // Without floor the six best are all in head 0; every head keeps one candidate.
  EXPECT_EQ(golden_layer().budgets(*allocator("adakv:form=kvpress,alpha=0"), 6 + 4), (Budgets{5 + 2, 1 + 2}));
}

TEST(AdaKv, normalised_weighs_heads_by_their_concentration) {
  LayerScores layer;
  layer.window = 1;
  // Head 0 is flat (its 2 best hold 2/4 of its mass), head 1 holds all of its mass in 2 entries.
  layer.score = {{.5F, .5F, .5F, .5F}, {.45F, .45F, 0.F, 0.F}};
  EXPECT_EQ(layer.budgets(*allocator("adakv:alpha=0"), 6), (Budgets{3 + 1, 1 + 1}));
  EXPECT_EQ(layer.budgets(*allocator("adakv:alpha=0,normalize=on"), 6), (Budgets{2 + 1, 2 + 1}));
}

TEST(AdaKv, leaves_the_first_layers_uniform_when_told) {
  LayerScores layer = golden_layer();
  const auto rule = allocator("adakv:skip=2");
  const auto at = [&](std::uint32_t index) {
    std::vector<std::span<const float>> spans(layer.score.begin(), layer.score.end());
    const std::vector<std::uint32_t> residents = {8, 8};
    Budgets budget(2);
    rule->head_budgets({.layer_budget = 10, .window = 2, .scores = spans, .residents = residents, .layer = index},
                       budget);
    return budget;
  };
  EXPECT_EQ(at(1), (Budgets{5, 5}));
  EXPECT_EQ(at(2), (Budgets{7, 3}));
}

TEST(AdaKv, keeps_sum_and_minimum_for_random_layers) {
  const unsigned seed = 4711;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  for (int round = 0; round < 500; ++round) {
    LayerScores layer;
    layer.window = static_cast<std::uint32_t>(1 + random() % 16);
    const std::size_t heads = 1 + random() % 8;
    for (std::size_t h = 0; h < heads; ++h) {
      std::vector<float> head(random() % 300);
      for (float& s : head) s = random() % 3 == 0 ? 0.5F : unit(random);
      layer.score.push_back(std::move(head));
    }
    const auto least = static_cast<std::int32_t>((layer.window + 1) * heads);
    const std::int32_t total = least + static_cast<std::int32_t>(random() % 800);
    for (const std::string text : {"adakv", "adakv:alpha=0", "adakv:form=kvpress,alpha=0.2", "adakv:normalize=on",
                                   "adakv:surplus=leave", "adakv:alpha=1"}) {
      const Budgets budget = layer.budgets(*allocator(text), total);
      EXPECT_EQ(sum(budget), total) << text;
      EXPECT_GE(*std::min_element(budget.begin(), budget.end()), static_cast<std::int32_t>(layer.window) + 1) << text;
      EXPECT_EQ(budget, layer.budgets(*allocator(text), total)) << text;
    }
    const Budgets upstream = layer.budgets(*allocator("adakv:total=upstream"), total);
    EXPECT_GE(*std::min_element(upstream.begin(), upstream.end()), static_cast<std::int32_t>(layer.window) + 1);
    std::int64_t residents = 0;
    for (const auto& head : layer.score) residents += static_cast<std::int64_t>(head.size() + layer.window);
    // Truncation loses less than one entry per head, rounding half of one.
    if (residents > total) {
      EXPECT_NEAR(static_cast<double>(sum(upstream)), total, 2.5 * static_cast<double>(heads));
    }
  }
}

TEST(HeadSharing, rounds_halves_to_even) {
  EXPECT_EQ(round_half_even(5.5), 6);
  EXPECT_EQ(round_half_even(4.5), 4);
  EXPECT_EQ(round_half_even(3.5), 4);
  EXPECT_EQ(round_half_even(0.5), 0);
  EXPECT_EQ(round_half_even(2.49), 2);
  EXPECT_EQ(round_half_even(2.51), 3);
}

TEST(HeadSharing, counts_ties_as_asked) {
  const std::vector<float> a = {1, 1, 0}, b = {1, 1};
  const std::vector<std::span<const float>> scores = {a, b};
  EXPECT_EQ(counts_among_top(scores, 3, ThresholdTies::all), (std::vector<double>{2, 2}));
  EXPECT_EQ(counts_among_top(scores, 3, ThresholdTies::cut), (std::vector<double>{2, 1}));
  EXPECT_EQ(counts_among_top(scores, 0, ThresholdTies::all), (std::vector<double>{0, 0}));
  EXPECT_EQ(counts_among_top(scores, 99, ThresholdTies::cut), (std::vector<double>{3, 2}));
}

}  // namespace
}  // namespace kvwave::alloc
