// Quest and LRU by hand.
#include <algorithm>

#include <gtest/gtest.h>

#include "alloc/scorer.h"
#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

constexpr std::uint32_t kPositions = 1024;

PageChoice empty_choice(std::uint32_t page) {
  return {.visible = std::vector<bool>(kPositions / page, false), .moved = 0};
}

std::uint32_t pages_read(std::int32_t budget, std::uint32_t layer, std::uint32_t now) {
  const std::vector<float> key(kPositions * 2, 1.0F), query(kPositions * 2, 1.0F);
  const auto selector = scorer("quest")->make_selector(
      {.layer = layer, .cache = 0, .n_prompt = 1, .n_positions = kPositions, .budget = budget});
  PageChoice choice = empty_choice(16);
  selector->select(
      {.now = now, .row = {}, .keys = {key.data(), 2, 2, now + 1}, .queries = {query.data(), 2, 2, now + 1}}, choice);
  return static_cast<std::uint32_t>(std::count(choice.visible.begin(), choice.visible.end(), true));
}

TEST(QuestScorer, turns_a_token_budget_into_pages_with_a_minimum_of_three) {
  EXPECT_EQ(pages_read(512, 2, 1023), 32U);
  EXPECT_EQ(pages_read(64, 2, 1023), 4U);
  EXPECT_EQ(pages_read(48, 2, 1023), 3U);
  EXPECT_EQ(pages_read(47, 2, 1023), 3U) << "the minimum binds below 48 only";
  EXPECT_EQ(pages_read(16, 2, 1023), 3U);
  EXPECT_EQ(pages_read(512, 2, 40), 3U) << "three pages exist";
  EXPECT_EQ(pages_read(64, 1, 1023), 64U) << "layers 0 and 1 read everything";
}

TEST(QuestScorer, scores_a_page_by_the_larger_product_of_each_channel_and_breaks_ties_low) {
  // Pages of 2, keys in one dimension: page 0 spans [-3, 1], page 1 [2, 2], page 2 [0, 2], page 3 [-1, -1].
  const std::vector<float> key = {-3, 1, 2, 2, 0, 2, -1, -1}, up(8, 1.0F), down(8, -1.0F);
  const auto rule = scorer("quest:page=2,dense=0");
  for (const bool negative : {false, true}) {
    const auto selector = rule->make_selector({.layer = 0, .cache = 0, .n_prompt = 1, .n_positions = 8, .budget = 6});
    PageChoice choice{.visible = std::vector<bool>(4, false), .moved = 0};
    selector->select(
        {.now = 7, .row = {}, .keys = {key.data(), 1, 1, 8}, .queries = {(negative ? down : up).data(), 1, 1, 8}},
        choice);
    // Up: 1, 2, 2, -1. Down: 3, -2, 0, 1.
    EXPECT_EQ(choice.visible,
              (negative ? std::vector<bool>{true, false, true, true} : std::vector<bool>{true, true, true, false}));
  }
}

TEST(QuestScorer, says_that_it_frees_nothing) {
  EXPECT_EQ(scorer("quest")->kind(), StrategyKind::selection);
  EXPECT_EQ(scorer("quest")->rule().granularity, Granularity::q_head);
  EXPECT_EQ(scorer("lru")->kind(), StrategyKind::offload);
  EXPECT_EQ(scorer("lru:form=destroy")->kind(), StrategyKind::destructive);
}

// One step whose row wants the given position most.
PageChoice lru_step(StepSelector& selector, std::uint32_t now, std::uint32_t wanted) {
  std::vector<float> row(now + 1, 0.0F);
  row[wanted] = 1;
  PageChoice choice{.visible = std::vector<bool>(8, false), .moved = 0};
  selector.select({.now = now, .row = row, .keys = {}, .queries = {}}, choice);
  return choice;
}

TEST(LruScorer, drops_the_page_touched_longest_ago_and_fetches_it_when_wanted) {
  const auto rule = scorer("lru:page=2,wanted=1");
  const auto selector = rule->make_selector({.layer = 0, .cache = 0, .n_prompt = 4, .n_positions = 16, .budget = 4});
  using Pages = std::vector<bool>;
  PageChoice choice = lru_step(*selector, 4, 1);  // pages 0 and 1 from the prompt, 2 new: over the two that fit
  EXPECT_EQ(choice.visible, (Pages{true, true, true, false, false, false, false, false}));
  EXPECT_EQ(choice.moved, 2U) << "page 1 is written out; a first touch is no miss";
  choice = lru_step(*selector, 5, 3);
  EXPECT_EQ(choice.visible, (Pages{true, true, true, false, false, false, false, false}));
  EXPECT_EQ(choice.moved, 4U) << "page 1 comes back, page 0 is written out";
  choice = lru_step(*selector, 6, 0);
  EXPECT_EQ(choice.visible, (Pages{true, true, true, true, false, false, false, false}));
  EXPECT_EQ(choice.moved, 4U) << "page 0 comes back, 2 is written out, 1 has its copy already";
}

TEST(LruScorer, when_it_destroys_never_sees_a_page_again) {
  const auto rule = scorer("lru:page=2,wanted=1,form=destroy");
  const auto selector = rule->make_selector({.layer = 0, .cache = 0, .n_prompt = 4, .n_positions = 16, .budget = 4});
  EXPECT_TRUE(lru_step(*selector, 4, 1).visible[1]);
  const PageChoice choice = lru_step(*selector, 5, 3);
  EXPECT_FALSE(choice.visible[1]);
  EXPECT_EQ(choice.moved, 0U);
  EXPECT_FALSE(lru_step(*selector, 6, 3).visible[1]);
}

}  // namespace
}  // namespace kvwave::alloc
