#include "alloc/scorer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

// A worked example: one KV head, ten residents, window 2, pool kernel 3.
const std::vector<float> kImportance = {.24817F, .24817F, .24817F, .19670F, .19390F, .08132F, .13908F, .13908F};
const std::vector<float> kRedundancy = {.13094F, .12295F, .10451F, .09906F, .05103F, .12608F, .05785F, .11710F};
const std::vector<std::uint32_t> kPosition = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

std::vector<float> scored(const std::string& text, Residents residents) {
  std::vector<float> score(residents.position.size() - scorer(text)->rule().window);
  scorer(text)->score(residents, score);
  return score;
}

std::vector<std::uint32_t> ranking(const std::string& text) {
  Residents residents;
  residents.position = kPosition;
  residents.importance = kImportance;
  residents.redundancy = kRedundancy;
  return select_top(scored(text, residents), 8);
}

TEST(RkvScorer, ranks_the_golden_vector_at_each_lambda) {
  using Slots = std::vector<std::uint32_t>;
  EXPECT_EQ(ranking("rkv:window=2"), (Slots{4, 6, 2, 3, 1, 7, 0, 5}));
  EXPECT_EQ(ranking("rkv:window=2,lambda=0.07"), (Slots{4, 6, 3, 2, 1, 7, 0, 5}));
  EXPECT_EQ(ranking("rkv:window=2,lambda=0.5"), (Slots{2, 4, 1, 0, 3, 6, 7, 5}));
  EXPECT_EQ(ranking("rkv:window=2,lambda=1"), (Slots{0, 1, 2, 3, 4, 6, 7, 5}));
}

TEST(RkvScorer, with_plus_rewards_duplicates) {
  EXPECT_EQ(ranking("rkv:window=2,lambda=0,sign=plus").front(), 0U);
  EXPECT_EQ(ranking("rkv:window=2,lambda=0,sign=minus").front(), 4U);
}

TEST(RkvScorer, in_bfloat16_rounds_to_eight_significant_bits) {
  Residents residents;
  residents.position = kPosition;
  residents.importance = kImportance;
  residents.redundancy = kRedundancy;
  const std::vector<float> fine = scored("rkv:window=2", residents);
  const std::vector<float> coarse = scored("rkv:window=2,precision=bf16", residents);
  for (std::size_t j = 0; j < fine.size(); ++j) {
    EXPECT_NEAR(coarse[j], fine[j], 2e-3);
    int exponent = 0;
    const float mantissa = std::ldexp(std::frexp(coarse[j], &exponent), 8);
    EXPECT_EQ(mantissa, std::round(mantissa));
  }
}

TEST(RkvScorer, asks_for_what_its_parameters_say) {
  const auto rule = scorer("rkv:kernel=3,threshold=0.7,window=4,buffer=64,prompt=keep,order=time,precision=bf16");
  const Needs needs = rule->needs();
  EXPECT_TRUE(needs.importance && needs.redundancy && needs.round_bf16);
  EXPECT_FALSE(needs.future_mass);
  EXPECT_EQ(needs.pool_kernel, 3U);
  EXPECT_EQ(needs.similarity_threshold, 0.7);
  EXPECT_EQ(rule->rule().window, 4U);
  EXPECT_EQ(rule->rule().buffer, 64U);
  EXPECT_EQ(rule->rule().prompt, PromptRule::keep);
  EXPECT_EQ(rule->rule().order, SlotOrder::time);
}

TEST(RkvScorer, keeps_the_order_of_scores_by_default_and_cuts_the_prompt) {
  EXPECT_EQ(scorer("rkv")->rule().order, SlotOrder::score);
  EXPECT_EQ(scorer("rkv")->rule().prompt, PromptRule::cut);
  EXPECT_EQ(scorer("rkv:prompt=protect")->rule().prompt, PromptRule::protect);
}

TEST(SnapKvScorer, is_importance_alone) {
  EXPECT_EQ(ranking("snapkv:window=2"), (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 6, 7, 5}));
  EXPECT_TRUE(scorer("snapkv")->needs().importance);
  EXPECT_FALSE(scorer("snapkv")->needs().redundancy);
}

TEST(OracleScorer, ranks_by_future_attention) {
  Residents residents;
  residents.position = kPosition;
  residents.future_mass = kImportance;
  EXPECT_EQ(scored("oracle:window=2", residents), kImportance);
  EXPECT_TRUE(scorer("oracle")->needs().future_mass);
}

TEST(StreamingScorer, keeps_sinks_then_the_newest_wherever_they_are_stored) {
  const std::vector<std::uint32_t> position = {7, 3, 100, 0, 5, 2, 101, 1, 200, 201};
  Residents residents;
  residents.position = position;
  const std::vector<float> score = scored("streaming:window=2", residents);
  EXPECT_EQ(select_top(score, 8), (std::vector<std::uint32_t>{3, 7, 5, 1, 6, 2, 0, 4}));
}

TEST(StreamingScorer, tells_late_positions_apart) {
  const std::vector<std::uint32_t> position = {16'777'214, 16'777'215, 3, 2, 9};
  Residents residents;
  residents.position = position;
  const std::vector<float> score = scored("streaming:window=1", residents);
  EXPECT_EQ(select_top(score, 4), (std::vector<std::uint32_t>{3, 2, 1, 0}));
}

std::vector<float> random_scores(const std::string& text, Residents residents, std::uint32_t n = 2000) {
  std::vector<std::uint32_t> position(n);
  std::iota(position.begin(), position.end(), 0U);
  residents.position = position;
  return scored(text, residents);
}

TEST(RandomScorer, repeats_itself_and_depends_on_every_part_of_its_key) {
  Residents base;
  base.trace_key = 5;
  const std::vector<float> first = random_scores("random", base);
  EXPECT_EQ(first, random_scores("random", base));
  EXPECT_NE(first, random_scores("random:seed=1", base));
  for (int part = 0; part < 4; ++part) {
    Residents other = base;
    if (part == 0) other.trace_key = 6;
    if (part == 1) other.layer = 1;
    if (part == 2) other.kv_head = 1;
    if (part == 3) other.refresh = 1;
    EXPECT_NE(first, random_scores("random", other)) << "part " << part;
  }
}

TEST(RandomScorer, draws_by_position_not_by_slot) {
  std::vector<std::uint32_t> position = {4, 9, 2, 7, 30, 31};
  Residents residents;
  residents.position = position;
  const std::vector<float> one = scored("random:window=2", residents);
  std::reverse(position.begin(), position.begin() + 4);
  std::vector<float> two = scored("random:window=2", residents);
  std::reverse(two.begin(), two.end());
  EXPECT_EQ(one, two);
}

TEST(RandomScorer, is_uniform_over_candidates) {
  // 400 draws of 100 out of 1992: each candidate is expected about 20 times.
  std::vector<int> kept(1992);
  for (std::uint32_t refresh = 0; refresh < 400; ++refresh) {
    Residents residents;
    residents.refresh = refresh;
    const std::vector<float> score = random_scores("random", residents);
    EXPECT_EQ(score.size(), 1992U);
    for (const std::uint32_t slot : select_top(score, 100)) ++kept[slot];
  }
  double chi_square = 0;
  const double expected = 400.0 * 100 / 1992;
  for (const int count : kept) chi_square += (count - expected) * (count - expected) / expected;
  // About chi-square with 1991 degrees of freedom times (1 - 100/1992); five standard deviations are 315.
  EXPECT_NEAR(chi_square, 1991 * (1 - 100.0 / 1992), 315);
}

TEST(ScorersOfRkvsFamily, have_its_trigger_by_default) {
  for (const char* const name : {"rkv", "snapkv", "random", "streaming", "oracle"}) {
    const RefreshRule rule = scorer(name)->rule();
    EXPECT_EQ(rule.window, 8U) << name;
    EXPECT_EQ(rule.buffer, 128U) << name;
    EXPECT_EQ(rule.prompt, PromptRule::cut) << name;
    EXPECT_EQ(rule.trigger, Trigger::position_multiple) << name;
    EXPECT_EQ(rule.granularity, Granularity::kv_head) << name;
    EXPECT_FALSE(rule.protection.any()) << name;
  }
}

TEST(EveryScorer, takes_protection_apart_from_its_score) {
  for (const ComponentSpec& spec : scorer_specs()) {
    const Protection wanted{.prompt = true, .sinks = 4, .recent = 9};
    const RefreshRule rule = scorer(std::string(spec.name) + ":protect=sinks:4,recent:9,prompt")->rule();
    EXPECT_EQ(rule.protection, wanted) << spec.name;
    EXPECT_TRUE(rule.protects_prompt()) << spec.name;
  }
}

}  // namespace
}  // namespace kvwave::alloc
