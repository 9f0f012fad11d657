// Scorers that read keys, values and queries, against tests/data/key_scorers.json (tests/fixtures/
// make_key_scorer_fixture.py) and by hand.
#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

TensorRows rows_of(const std::vector<float>& values, std::size_t width) {
  return {values.data(), width, width, values.size() / width};
}

std::vector<float> key_scores(const std::string& text, const Residents& residents) {
  const auto rule = scorer(text);
  std::vector<float> score(residents.position.size() - rule->rule().window);
  rule->score(residents, score);
  return score;
}

TEST(KeyScorers, match_the_independent_reference) {
  const auto fixture = nlohmann::json::parse(std::ifstream(KVWAVE_TEST_DATA "/key_scorers.json"));
  const std::size_t d = fixture["head_dim"], group = fixture["group"];
  const std::vector<float> keys = fixture["keys"], values = fixture["values"], queries = fixture["queries"];
  const std::vector<std::uint32_t> slots = fixture["slots"];
  const std::vector<double> frequency = fixture["frequency"];
  for (const auto& one : fixture["cases"]) {
    Residents residents;
    residents.refresh = one["refresh"];
    residents.now = static_cast<std::uint32_t>(keys.size() / d) - 1;
    residents.position = slots;
    residents.keys = rows_of(keys, d);
    residents.values = rows_of(values, d);
    residents.queries = rows_of(queries, group * d);
    residents.rope = {.frequency = frequency, .interleaved = one["interleaved"]};
    const std::vector<double> wanted = one["score"];
    const std::vector<float> got = key_scores(one["scorer"], residents);
    ASSERT_EQ(got.size(), wanted.size()) << one["scorer"];
    for (std::size_t j = 0; j < got.size(); ++j) {
      EXPECT_NEAR(got[j], wanted[j], 2e-6 * (1 + std::abs(wanted[j]))) << one["scorer"] << " slot " << j;
    }
  }
}

TEST(KeyScorers, take_their_schedule_from_kvpress) {
  for (const std::string name : {"knorm", "keydiff", "lagkv", "expected-attention"}) {
    const RefreshRule rule = scorer(name)->rule();
    EXPECT_EQ(rule.window, 0U) << name << " protects nothing";
    EXPECT_EQ(rule.trigger, Trigger::overflow_multiple) << name;
    EXPECT_EQ(rule.buffer, name == "keydiff" ? 128U : 512U) << name;
    EXPECT_EQ(rule.order, SlotOrder::score) << name;
    EXPECT_EQ(rule.prompt, PromptRule::cut) << name;
    EXPECT_FALSE(rule.protects()) << name;
    EXPECT_EQ(scorer(name + ":trigger=position")->rule().trigger, Trigger::position_multiple);
    EXPECT_EQ(scorer(name + ":trigger=prompt")->rule().trigger, Trigger::after_prompt);
  }
}

TEST(KeyScorers, ask_for_what_they_read) {
  EXPECT_TRUE(scorer("knorm")->needs().keys);
  EXPECT_FALSE(scorer("knorm")->needs().queries || scorer("knorm")->needs().values);
  EXPECT_TRUE(scorer("lagkv")->needs().values);
  EXPECT_TRUE(scorer("expected-attention")->needs().rope && scorer("expected-attention")->needs().queries);
  EXPECT_FALSE(scorer("expected-attention:vnorm=off")->needs().values);
}

TEST(Knorm, ranks_the_shortest_key_first) {
  const std::vector<float> keys = {3, 4, 1, 0, 0, 2};
  const std::vector<std::uint32_t> position = {0, 1, 2};
  Residents residents;
  residents.position = position;
  residents.keys = rows_of(keys, 2);
  EXPECT_EQ(key_scores("knorm", residents), (std::vector<float>{-5, -1, -2}));
}

TEST(KeyDiff, keeps_the_odd_one_out) {
  const std::vector<float> keys = {1, 0, 5, 0, 2, 0, 0, 1};
  const std::vector<std::uint32_t> position = {0, 1, 2, 3};
  Residents residents;
  residents.position = position;
  residents.keys = rows_of(keys, 2);
  const std::vector<float> score = key_scores("keydiff", residents);
  // The anchor is (3/4, 1/4): cosines 3/sqrt(10) and 1/sqrt(10).
  EXPECT_NEAR(score[0], -3 / std::sqrt(10.0), 1e-6);
  EXPECT_EQ(score[0], score[1]);
  EXPECT_NEAR(score[3], -1 / std::sqrt(10.0), 1e-6);
}

TEST(LagKv, counts_constant_channels_as_nothing) {
  const std::vector<float> same(2 * 12, 1.0F);
  std::vector<std::uint32_t> position(12);
  std::iota(position.begin(), position.end(), 0U);
  Residents residents;
  residents.position = position;
  residents.keys = residents.values = rows_of(same, 2);
  const std::vector<float> score = key_scores("lagkv:sinks=0,lag=4", residents);
  // All equal: ranks by slot, twice, then the tail.
  EXPECT_EQ(score, (std::vector<float>{0, .25F, .5F, .75F, 0, .25F, .5F, .75F, 1, 1, 1, 1}));
}

TEST(ExpectedAttention, keeps_everything_when_only_sinks_are_there) {
  const std::vector<float> keys = {1, 0, 0, 1};
  const std::vector<std::uint32_t> position = {0, 1};
  Residents residents;
  residents.now = 1;
  residents.position = position;
  residents.keys = residents.values = residents.queries = rows_of(keys, 2);
  EXPECT_EQ(key_scores("expected-attention", residents), (std::vector<float>{1, 1}));
}

TEST(SnapKvPrefill, sums_full_probabilities_and_pools_over_slots) {
  // Two queries of two heads over four candidates and two window slots.
  const std::vector<float> prob = {.5F, .25F, 0, 0,    .25F, 0,    0, .5F, 0,   .25F, .25F, 0,
                                   0,   .25F, 0, .25F, .25F, .25F, 0, 0,   .5F, .25F, 0,    .25F};
  const std::vector<std::uint32_t> position = {0, 1, 2, 3, 4, 5};
  Residents residents;
  residents.position = position;
  residents.window_rows = {.n_queries = 2, .n_heads = 2, .n_residents = 6, .prob = prob};
  const std::string base = "snapkv-prefill:window=2,granularity=kv_head";
  // Sums over queries of the group's mean: .25, .5, .25, .375.
  EXPECT_EQ(key_scores(base + ",kernel=1", residents), (std::vector<float>{.25F, .5F, .25F, .375F}));
  EXPECT_EQ(key_scores(base + ",kernel=1,reduce=mean", residents), (std::vector<float>{.125F, .25F, .125F, .1875F}));
  EXPECT_EQ(key_scores(base + ",kernel=1,group=sum", residents), (std::vector<float>{.5F, 1, .5F, .75F}));
  EXPECT_EQ(key_scores(base + ",kernel=1,group=max", residents), (std::vector<float>{.5F, .75F, .5F, .5F}));
  EXPECT_EQ(key_scores(base + ",kernel=3,pool=max", residents), (std::vector<float>{.5F, .5F, .5F, .375F}));
  const std::vector<float> average = key_scores(base + ",kernel=3", residents);
  EXPECT_NEAR(average[0], .75 / 3, 1e-7) << "a zero beyond the end counts";
  EXPECT_NEAR(average[3], .625 / 3, 1e-7);
}

TEST(SnapKvPrefill, cuts_once_per_query_head_as_published) {
  const auto rule = scorer("snapkv-prefill");
  EXPECT_EQ(rule->rule().trigger, Trigger::after_prompt);
  EXPECT_EQ(rule->rule().granularity, Granularity::q_head);
  EXPECT_EQ(rule->rule().window, 32U);
  EXPECT_EQ(rule->needs().window_rows, 32U);
  EXPECT_FALSE(rule->needs().importance) << "full rows, not those of the decode form";
  EXPECT_EQ(scorer("snapkv-prefill:granularity=kv_head")->rule().granularity, Granularity::kv_head);
}

TEST(RkvForms, bring_the_schedule_of_their_code) {
  const RefreshRule paper = scorer("rkv")->rule();
  EXPECT_EQ(paper.trigger, Trigger::position_multiple);
  EXPECT_EQ(paper.cut, CutTime::after_attention);
  const RefreshRule serving = scorer("rkv:form=2026")->rule();
  EXPECT_EQ(serving.trigger, Trigger::decoded_multiple);
  EXPECT_EQ(serving.prompt, PromptRule::keep);
  EXPECT_EQ(serving.order, SlotOrder::time);
  const RefreshRule adapter = scorer("rkv:form=hf")->rule();
  EXPECT_EQ(adapter.trigger, Trigger::overflow_multiple);
  EXPECT_EQ(adapter.cut, CutTime::before_attention);
}

TEST(RkvForms, yield_to_what_is_given_and_print_what_they_imply) {
  EXPECT_EQ(scorer("rkv:order=score,form=2026")->rule().order, SlotOrder::score);
  const Strategy strategy = Strategy::parse("uniform/rkv:form=2026");
  EXPECT_EQ(strategy.short_text(), "uniform/rkv:form=2026");
  EXPECT_NE(strategy.full_text().find("prompt=keep,protect=none,trigger=decoded,cut=after,content=all,order=time"), std::string::npos);
  EXPECT_EQ(Strategy::parse(strategy.short_text()), strategy);
  const Strategy given = Strategy::parse("uniform/rkv:form=2026,prompt=cut,order=score");
  EXPECT_EQ(Strategy::parse(given.full_text()), given);
}

}  // namespace
}  // namespace kvwave::alloc
