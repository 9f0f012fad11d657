// When caches are cut, and what a scorer is shown then.
#include <algorithm>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "alloc/registry.h"
#include "alloc/strategy.h"
#include "replay/rope_frequencies.h"
#include "replay/simulate_all.h"
#include "tests/replay/brute_force.h"
#include "tests/replay/literal_steps.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

// A scorer of any rule and needs that keeps the newest and lets a test look at what it was given.
class Watched final : public alloc::Scorer {
 public:
  alloc::RefreshRule when;
  alloc::Needs what;
  std::function<void(const alloc::Residents&)> look = [](const alloc::Residents&) {};

  alloc::RefreshRule rule() const override { return when; }
  alloc::Needs needs() const override { return what; }
  void score(const alloc::Residents& residents, std::span<float> score) const override {
    look(residents);
    for (std::size_t j = 0; j < score.size(); ++j) score[j] = static_cast<float>(residents.position[j]);
  }
};

SyntheticTrace trace_to_refresh(std::uint32_t n_prompt) {
  SyntheticOptions options;
  options.shape = {.n_layers = 1, .n_q_heads = 6, .n_kv_heads = 2, .head_dim = 8};
  options.n_prompt = n_prompt;
  options.n_positions = 80;
  options.seed = 91;
  options.qkv_dtype = traces::FloatType::f32;
  return make_synthetic(options);
}

LayerResidency simulate(const SyntheticTrace& trace, const std::shared_ptr<Watched>& scorer,
                        const alloc::Rope& rope = {}) {
  const Sequence sequence = sequence_of(trace);
  SweepRequest request;
  request.strategies = {alloc::Strategy::parse("uniform/random")};
  request.budgets = {16};
  request.controls = false;
  Sweep sweep = build_sweep(request, sequence, {});
  sweep.simulations.front().scorer = scorer;
  const LayerTensors tensors = layer_tensors(trace, 0);
  StatisticsScratch scratch;
  return simulate_layer(sweep.simulations.front(), sequence, 0, {.tensors = &tensors, .rope = &rope}, 7, scratch);
}

std::set<std::int32_t> first_steps(alloc::Trigger trigger, alloc::PromptRule prompt, std::uint32_t n_prompt,
                                   alloc::CutTime cut = alloc::CutTime::after_attention) {
  const auto scorer = std::make_shared<Watched>();
  scorer->when.window = 2;
  scorer->when.buffer = 8;
  scorer->when.prompt = prompt;
  scorer->when.trigger = trigger;
  scorer->when.cut = cut;
  const LayerResidency found = simulate(trace_to_refresh(n_prompt), scorer);
  std::set<std::int32_t> steps(found.evicted_at.begin(), found.evicted_at.end());
  steps.erase(kNever);
  while (steps.size() > 3) steps.erase(std::prev(steps.end()));
  return steps;
}

using Steps = std::set<std::int32_t>;

TEST(Trap, no_8_triggers_count_positions_or_decoded_tokens_as_their_codes_do) {
  using alloc::PromptRule;
  using alloc::Trigger;
  // Positions 24, 32, ... decide (prompt counted): steps 4, 12; a drop shows one step later.
  EXPECT_EQ(first_steps(Trigger::position_multiple, PromptRule::cut, 20), (Steps{0, 5, 13}));
  // The 8th and 16th decoded token: steps 7, 15.
  EXPECT_EQ(first_steps(Trigger::decoded_multiple, PromptRule::cut, 20), (Steps{0, 8, 16}));
  EXPECT_EQ(first_steps(Trigger::decoded_multiple, PromptRule::keep, 20), (Steps{8, 16, 24}));
  // 10 + 8 entries are fewer than 16 + 8: the first cut waits for the 16th token.
  EXPECT_EQ(first_steps(Trigger::decoded_multiple, PromptRule::keep, 10), (Steps{16, 24, 32}));
  EXPECT_EQ(first_steps(Trigger::overflow_multiple, PromptRule::keep, 10), (Steps{8, 16, 24}));
  EXPECT_EQ(first_steps(Trigger::every_step, PromptRule::cut, 20), (Steps{0, 1, 2}));
  EXPECT_EQ(first_steps(Trigger::every_step, PromptRule::keep, 20), (Steps{1, 2, 3}));
  EXPECT_EQ(first_steps(Trigger::after_prompt, PromptRule::keep, 20), (Steps{0})) << "and the tail is unbounded";
}

TEST(Trap, no_20_the_decoding_press_first_cuts_after_512_decoded_tokens_and_a_prefill_press_never_after_the_prompt) {
  Sequence sequence = sequence_of(trace_to_refresh(20));
  sequence.n_positions = 2000;
  const auto positions = [&](const std::string& scorer) {
    return refresh_positions(alloc::make_scorer(alloc::Strategy::parse("uniform/" + scorer).scorer)->rule(), sequence);
  };
  EXPECT_EQ(positions("knorm:prompt=keep"), (std::vector<std::uint32_t>{531, 1043, 1555}));
  EXPECT_EQ(positions("expected-attention"), (std::vector<std::uint32_t>{19, 531, 1043, 1555}));
  for (const std::string once : {"keydiff:trigger=prompt", "snapkv-prefill", "h2o:form=prefill"}) {
    EXPECT_EQ(positions(once), (std::vector<std::uint32_t>{19})) << once;
  }
}

std::vector<std::uint32_t> newline_positions(const std::string& parameters, std::shared_ptr<const TokenMarks> marks,
                                             std::uint32_t n_prompt) {
  Sequence sequence = sequence_of(trace_to_refresh(n_prompt));
  sequence.marks = std::move(marks);
  const auto scorer = alloc::make_scorer(alloc::Strategy::parse("uniform/rkv:trigger=newline" + parameters).scorer);
  return refresh_positions(scorer->rule(), sequence);
}

TEST(RkvNewlineTrigger, acts_in_the_step_of_each_token_that_ends_a_line) {
  const auto marks = std::make_shared<TokenMarks>(TokenMarks{{25, 40, 41, 70}, 41});
  EXPECT_EQ(newline_positions("", marks, 20), (std::vector<std::uint32_t>{19, 25, 40, 41, 70}));
  EXPECT_EQ(newline_positions(",prompt=keep", marks, 20), (std::vector<std::uint32_t>{25, 40, 41, 70}));
  EXPECT_EQ(newline_positions(",content=think", marks, 20), (std::vector<std::uint32_t>{19, 25, 40}));
  EXPECT_EQ(newline_positions("", std::make_shared<TokenMarks>(), 20), (std::vector<std::uint32_t>{19}));
}

TEST(RkvNewlineTrigger, takes_the_line_ends_of_the_code_and_no_others) {
  for (const std::string_view piece : {"\n", ".\n", ")\n", "\n\n", ".\n\n", ")\n\n"}) {
    EXPECT_TRUE(alloc::ends_line(piece)) << piece;
  }
  for (const std::string_view piece : {"", ".", "a\n", "\n ", "\n\n\n", "\r\n", ":\n"}) {
    EXPECT_FALSE(alloc::ends_line(piece)) << piece;
  }
}

TEST(RkvForms, are_defaults_for_parameters_that_controls_can_take_over) {
  const auto rule = [](const std::string& text) {
    return alloc::make_scorer(alloc::Strategy::parse(text).scorer)->rule();
  };
  EXPECT_EQ(rule("uniform/rkv:form=2026").trigger, alloc::Trigger::decoded_multiple);
  EXPECT_EQ(rule("uniform/rkv:form=hf").trigger, alloc::Trigger::overflow_multiple);
  EXPECT_EQ(rule("uniform/rkv:form=hf").cut, alloc::CutTime::before_attention);
  EXPECT_EQ(rule("uniform/rkv:form=hf,cut=after").cut, alloc::CutTime::after_attention);
  SweepRequest request;
  request.strategies = {alloc::Strategy::parse("uniform/rkv:form=hf")};
  request.budgets = {32};
  const Sweep sweep = build_sweep(request, sequence_of(trace_to_refresh(20)), {});
  int n_controls = 0;
  for (const Simulation& simulation : sweep.simulations) {
    if (simulation.is_full()) continue;
    ++n_controls;
    EXPECT_EQ(simulation.scorer->rule().trigger, alloc::Trigger::overflow_multiple) << simulation.strategy.full_text();
    EXPECT_EQ(simulation.scorer->rule().cut, alloc::CutTime::before_attention) << simulation.strategy.full_text();
    EXPECT_EQ(simulation.scorer->rule().prompt, alloc::PromptRule::keep) << simulation.strategy.full_text();
  }
  EXPECT_GT(n_controls, 10);
}

TEST(Trap, no_8_a_cut_before_the_attention_shows_in_its_own_step) {
  EXPECT_EQ(first_steps(alloc::Trigger::decoded_multiple, alloc::PromptRule::cut, 20, alloc::CutTime::before_attention),
            (Steps{0, 7, 15}));
}

TEST(ResidentsOfAScorer, are_the_recorded_vectors_up_to_the_step_and_no_further) {
  const SyntheticTrace trace = trace_to_refresh(20);
  const auto scorer = std::make_shared<Watched>();
  scorer->when.window = 2;
  scorer->when.buffer = 8;
  scorer->what.keys = scorer->what.values = scorer->what.queries = scorer->what.rope = true;
  int n_seen = 0;
  scorer->look = [&](const alloc::Residents& residents) {
    ++n_seen;
    ASSERT_EQ(residents.keys.size(), residents.now + 1U) << "a scorer sees no future key";
    EXPECT_EQ(residents.n_prompt, 20U);
    EXPECT_EQ(residents.budget, 16);
    EXPECT_EQ(residents.rope.frequency.size(), 4U);
    for (std::uint32_t i = 0; i <= residents.now; ++i) {
      const auto key = trace.k_at(i, 0, residents.kv_head), value = trace.v_at(i, 0, residents.kv_head);
      ASSERT_TRUE(std::equal(key.begin(), key.end(), residents.keys[i].begin(), residents.keys[i].end()));
      ASSERT_TRUE(std::equal(value.begin(), value.end(), residents.values[i].begin(), residents.values[i].end()));
      ASSERT_EQ(residents.queries[i].size(), 3U * 8U);
      for (std::uint32_t g = 0; g < 3; ++g) {
        const auto query = trace.q_at(i, 0, residents.kv_head * 3 + g);
        ASSERT_TRUE(std::equal(query.begin(), query.end(), residents.queries[i].begin() + g * 8));
      }
    }
  };
  const std::vector<double> frequency = {1, 0.5, 0.25, 0.125};
  simulate(trace, scorer, {.frequency = frequency, .interleaved = false});
  EXPECT_GT(n_seen, 10);
}

TEST(Trap, no_2_window_rows_have_full_scope_over_what_stands_at_or_before_the_query) {
  const SyntheticTrace trace = trace_to_refresh(20);
  for (const bool per_q_head : {false, true}) {
    const auto scorer = std::make_shared<Watched>();
    scorer->when.window = 4;
    scorer->when.buffer = 8;
    if (per_q_head) scorer->when.granularity = alloc::Granularity::q_head;
    scorer->what.window_rows = 3;
    int n_seen = 0;
    scorer->look = [&](const alloc::Residents& residents) {
      ++n_seen;
      const alloc::WindowRows& rows = residents.window_rows;
      ASSERT_EQ(rows.n_queries, 3U);
      ASSERT_EQ(rows.n_heads, per_q_head ? 1U : 3U);
      ASSERT_EQ(rows.n_residents, residents.position.size());
      for (std::uint32_t i = 0; i < 3; ++i) {
        const std::uint32_t query = residents.now - 2 + i;
        std::vector<std::uint32_t> visible;
        for (const std::uint32_t p : residents.position) {
          if (p <= query) visible.push_back(p);
        }
        for (std::uint32_t g = 0; g < rows.n_heads; ++g) {
          const std::uint32_t head = per_q_head ? residents.kv_head : residents.kv_head * 3 + g;
          const std::vector<double> exact = literal_row(trace, 0, head, query, visible);
          std::size_t at = 0;
          for (std::size_t j = 0; j < rows.n_residents; ++j) {
            const double expected = residents.position[j] <= query ? exact[at++] : 0.0;
            ASSERT_NEAR(rows.row(i, g)[j], expected, 2e-6);
          }
        }
      }
    };
    simulate(trace, scorer);
    EXPECT_GT(n_seen, 10);
  }
}

TEST(RopeFrequencies, follow_theta_and_the_recorded_scaling) {
  traces::TraceInfo info;
  info.shape.head_dim = 4;
  info.rope_theta = 100;
  info.rope_layout = "interleaved";
  const auto frequencies = [&](const std::string& scaling) {
    info.rope_scaling = scaling;
    const RopeFrequencies all(info);
    EXPECT_TRUE(all.rope().interleaved);
    return std::vector<double>(all.rope().frequency.begin(), all.rope().frequency.end());
  };
  EXPECT_EQ(frequencies("{}"), (std::vector<double>{1, 0.1}));
  EXPECT_EQ(frequencies(R"({"factor":2,"type":"linear"})"), (std::vector<double>{0.5, 0.05}));
  EXPECT_EQ(frequencies(R"({"divisors":[1,4],"type":"divisors"})"), (std::vector<double>{1, 0.025}));
  for (const char* const bad : {R"({"type":"linear"})", R"({"type":"yarn","factor":2})", "[", R"({"divisors":[1]})",
                                R"({"divisors":[1,0],"type":"divisors"})", R"({"factor":"x","type":"linear"})"}) {
    EXPECT_THROW(frequencies(bad), traces::CorruptTrace) << bad;
  }
}

}  // namespace
}  // namespace kvwave::replay
