// Policies that look at every step, against literal fp64 simulations on random traces, and their traps. Trap numbers
// refer to the list of traps in the project's specification of policies.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "alloc/error.h"
#include "kernels/cpu_features.h"
#include "replay/simulate_all.h"
#include "tests/replay/brute_force.h"
#include "tests/replay/literal_steps.h"
#include "tests/replay/step_trace.h"

namespace kvwave::replay {
namespace {

// Accumulates rows by position; `decay` before each addition.
struct Sums {
  std::vector<double> value = std::vector<double>(kTracePositions);
  double decay = 1;

  void add(const std::vector<std::uint32_t>& slots, const std::vector<double>& row) {
    for (std::size_t j = 0; j < slots.size(); ++j) value[slots[j]] = decay * value[slots[j]] + row[j];
  }
  std::vector<double> of(const std::vector<std::uint32_t>& slots) const {
    std::vector<double> out;
    for (const std::uint32_t i : slots) out.push_back(value[i]);
    return out;
  }
};

LiteralPolicy literal_h2o(const std::vector<std::uint32_t>& heads, std::uint32_t budget, std::uint32_t heavy) {
  auto sums = std::make_shared<Sums>();
  LiteralPolicy policy;
  policy.heads = heads;
  policy.budget = budget;
  policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) { sums->add(slots, row); };
  policy.score = [=](std::uint32_t, const auto& candidates) {
    std::vector<double> score = sums->of(candidates);
    for (std::size_t j = candidates.size() - (budget - heavy); j < candidates.size(); ++j) score[j] = 1e9;
    return score;
  };
  return policy;
}

TEST(SimulateH2o, agrees_with_a_literal_simulation) {
  for (const std::uint64_t seed : {31U, 32U}) {
    const SyntheticTrace trace = random_step_trace(seed);
    const LayerResidency found = simulate_steps("uniform/h2o", 16, trace, 1);
    const LayerResidency light = simulate_steps("uniform/h2o:heavy=0.3", 17, trace, 1);
    const LayerResidency query = simulate_steps("uniform/h2o:heads=query", 16, trace, 1);
    ASSERT_EQ(query.n_caches, kTraceKvHeads * kTraceGroup);
    for (std::uint32_t h = 0; h < kTraceKvHeads; ++h) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " head " << h);
      EXPECT_EQ(cache_of(found, h), run_literal(trace, 1, literal_h2o(heads_of(h), 16, 8)));
      EXPECT_EQ(cache_of(light, h), run_literal(trace, 1, literal_h2o(heads_of(h), 17, 5)));
    }
    for (std::uint32_t q = 0; q < query.n_caches; ++q) {
      EXPECT_EQ(cache_of(query, q), run_literal(trace, 1, literal_h2o({q}, 16, 8))) << "seed " << seed << " q " << q;
    }
  }
}

TEST(SimulateH2o, in_its_prefill_form_cuts_once_and_lets_the_tail_grow) {
  const SyntheticTrace trace = random_step_trace(33);
  const auto literal = [&](std::vector<std::uint32_t> heads) {
    auto sums = std::make_shared<Sums>();
    LiteralPolicy policy;
    policy.heads = std::move(heads);
    policy.budget = 12;
    policy.window = 3;
    policy.due = [](std::uint32_t) { return false; };
    policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) { sums->add(slots, row); };
    policy.score = [=](std::uint32_t, const auto& candidates) { return sums->of(candidates); };
    return run_literal(trace, 0, policy);
  };
  // As in its code, each query head has its own cache unless told otherwise.
  const LayerResidency query = simulate_steps("uniform/h2o:form=prefill,window=3", 12, trace);
  ASSERT_EQ(query.n_caches, kTraceKvHeads * kTraceGroup);
  for (std::uint32_t q = 0; q < query.n_caches; ++q) EXPECT_EQ(cache_of(query, q), literal({q})) << "q_head " << q;
  const LayerResidency found = simulate_steps("uniform/h2o:form=prefill,window=3,heads=kv", 12, trace);
  for (std::uint32_t h = 0; h < kTraceKvHeads; ++h)
    EXPECT_EQ(cache_of(found, h), literal(heads_of(h))) << "kv_head " << h;
  EXPECT_EQ(found.resident_counts(sequence_of(trace)).back(), 12U + (kTracePositions - kTracePrompt));
}

LiteralPolicy literal_tova(std::uint32_t budget) {
  auto newest = std::make_shared<Sums>();
  newest->decay = 0;
  LiteralPolicy policy;
  policy.heads.resize(kTraceKvHeads * kTraceGroup);
  std::iota(policy.heads.begin(), policy.heads.end(), 0U);
  policy.budget = budget;
  policy.reduce = LiteralPolicy::Reduce::mean;
  policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) { newest->add(slots, row); };
  policy.score = [=](std::uint32_t, const auto& candidates) { return newest->of(candidates); };
  return policy;
}

TEST(SimulateTova, agrees_with_a_literal_simulation_and_shares_one_set_over_all_heads) {
  for (const std::uint64_t seed : {34U, 35U}) {
    const SyntheticTrace trace = random_step_trace(seed);
    const LayerResidency found = simulate_steps("uniform/tova", 14, trace);
    const std::vector<std::int32_t> expected = run_literal(trace, 0, literal_tova(14));
    EXPECT_EQ(cache_of(found, 0), expected) << "seed " << seed;
    EXPECT_EQ(cache_of(found, 1), expected) << "trap 18: TOVA is not per head";
  }
}

TEST(Trap, no_18_tova_protects_neither_sinks_nor_the_newest_token) {
  const SyntheticTrace trace = random_step_trace(36);
  const std::vector<std::int32_t> plain = cache_of(simulate_steps("uniform/tova", 8, trace), 0);
  bool newest_went = false;
  for (std::uint32_t i = kTracePrompt; i < kTracePositions; ++i) {
    newest_went |= plain[i] == static_cast<std::int32_t>(i - kTracePrompt) + 1;
  }
  EXPECT_TRUE(newest_went);
  const std::vector<std::int32_t> kept = cache_of(simulate_steps("uniform/tova:protect=recent:1", 8, trace), 0);
  for (std::uint32_t i = kTracePrompt; i < kTracePositions; ++i) {
    EXPECT_NE(kept[i], static_cast<std::int32_t>(i - kTracePrompt) + 1) << "the variant of kvpress keeps the newest";
  }
}

TEST(SimulateScissorhands, agrees_with_literal_counts_and_sums) {
  for (const std::uint64_t seed : {37U, 38U}) {
    const SyntheticTrace trace = random_step_trace(seed);
    const LayerResidency counts = simulate_steps("uniform/scissorhands:history=15,window=4", 16, trace);
    const LayerResidency sums = simulate_steps("uniform/scissorhands:form=sum,decay=0.9,window=4,buffer=6", 16, trace);
    for (std::uint32_t h = 0; h < kTraceKvHeads; ++h) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " head " << h);
      auto rows = std::make_shared<std::vector<std::set<std::uint32_t>>>();
      LiteralPolicy policy;
      policy.heads = heads_of(h);
      policy.window = 4;
      policy.reduce = LiteralPolicy::Reduce::mean;
      policy.first_row = kTracePrompt - 15;
      policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) {
        std::set<std::uint32_t>& above = rows->emplace_back();
        for (std::size_t j = 0; j < slots.size(); ++j) {
          if (row[j] * static_cast<double>(row.size()) >= 1) above.insert(slots[j]);
        }
      };
      policy.score = [=](std::uint32_t, const auto& candidates) {
        std::vector<double> score;
        for (const std::uint32_t i : candidates) {
          const auto last = rows->end() - std::min<std::ptrdiff_t>(15, std::ssize(*rows));
          score.push_back(
              static_cast<double>(std::count_if(last, rows->end(), [&](auto& set) { return set.contains(i); })));
        }
        return score;
      };
      EXPECT_EQ(cache_of(counts, h), run_literal(trace, 0, policy));

      auto decayed = std::make_shared<Sums>();
      decayed->decay = 0.9;
      policy.first_row = 0;
      policy.due = [](std::uint32_t step) { return (step + 1) % 6 == 0; };
      policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) { decayed->add(slots, row); };
      policy.score = [=](std::uint32_t, const auto& candidates) { return decayed->of(candidates); };
      EXPECT_EQ(cache_of(sums, h), run_literal(trace, 0, policy));
    }
  }
}

// The forms of H2 as printed, for MRI > 1.
double literal_h2(const std::string& form, double mri) {
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  if (mri == 0 || form == "none") return 0;
  if (form == "shifted") return 2 * sigmoid(-(mri - 1));
  if (form == "inverse-shifted") return mri == 1 ? 0 : 2 * sigmoid(-1 / (mri - 1));
  if (form == "lowered") return 2 * sigmoid(-mri - 1);
  return 2 * sigmoid(-1 / mri);
}

TEST(SimulateLazyEviction, agrees_with_a_literal_simulation_in_every_form_of_h2) {
  const SyntheticTrace trace = random_step_trace(39);
  for (const std::string form : {"shifted", "inverse-shifted", "lowered", "inverse", "none"}) {
    const LayerResidency found = simulate_steps("uniform/lazyeviction:alpha=0.05,window=6,h2=" + form, 18, trace, 2);
    for (std::uint32_t h = 0; h < kTraceKvHeads; ++h) {
      struct Times {
        std::vector<double> touched, interval;
      };
      auto times = std::make_shared<Times>();
      for (std::uint32_t i = 0; i < kTracePositions; ++i) times->touched.push_back(std::max(i, kTracePrompt - 1));
      times->interval.assign(kTracePositions, 0.0);
      LiteralPolicy policy;
      policy.heads = heads_of(h);
      policy.budget = 18;
      policy.window = 6;
      policy.reduce = LiteralPolicy::Reduce::max;
      policy.first_row = kTracePrompt - 1;
      policy.due = [](std::uint32_t step) { return (step + 1) % 6 == 0; };
      policy.observe = [=](std::uint32_t position, const auto& slots, const auto& row) {
        for (std::size_t j = 0; j < slots.size(); ++j) {
          if (row[j] <= 0.05) continue;
          double& touched = times->touched[slots[j]];
          times->interval[slots[j]] = std::max(times->interval[slots[j]], position - touched);
          touched = position;
        }
      };
      policy.score = [=](std::uint32_t position, const auto& candidates) {
        std::vector<double> score;
        for (const std::uint32_t i : candidates) {
          const double since = position - times->touched[i], mri = times->interval[i];
          const double h1 = mri > 0 ? 2 / (1 + std::exp(since / mri)) : since == 0 ? 1.0 : 0.0;
          score.push_back(static_cast<float>(h1 + literal_h2(form, mri)));
        }
        return score;
      };
      EXPECT_EQ(cache_of(found, h), run_literal(trace, 2, policy)) << form << " head " << h;
    }
  }
}

TEST(SimulateCake, agrees_with_a_literal_simulation) {
  constexpr std::uint32_t kWindow = 5, kKernel = 3;
  for (const std::uint64_t seed : {40U, 41U}) {
    const SyntheticTrace trace = random_step_trace(seed);
    const LayerResidency found = simulate_steps("uniform/cake:window=5,kernel=3,gamma=20", 16, trace);
    for (std::uint32_t h = 0; h < kTraceKvHeads; ++h) {
      auto newest = std::make_shared<Sums>();
      newest->decay = 0;
      LiteralPolicy policy;
      policy.heads = heads_of(h);
      policy.window = kWindow;
      policy.reduce = LiteralPolicy::Reduce::mean;
      policy.score_order = true;
      policy.observe = [=](std::uint32_t, const auto& slots, const auto& row) { newest->add(slots, row); };
      policy.score = [&, newest, h](std::uint32_t position, const auto& candidates) {
        std::vector<double> value = newest->of(candidates), pooled(candidates.size());
        if (position + 1 == kTracePrompt) {
          std::fill(value.begin(), value.end(), 0.0);
          for (const std::uint32_t q : heads_of(h)) {
            std::vector<std::vector<double>> rows;
            for (std::uint32_t p = kTracePrompt - kWindow; p < kTracePrompt; ++p)
              rows.push_back(exact_row(trace, 0, q, p));
            for (std::size_t j = 0; j < value.size(); ++j) {
              double mean = 0, variance = 0;
              for (const auto& row : rows) mean += row[j] / kWindow;
              for (const auto& row : rows) variance += (row[j] - mean) * (row[j] - mean) / (kWindow - 1);
              value[j] += (mean + 20 * variance) / kTraceGroup;
            }
          }
        }
        for (std::size_t j = 0; j < value.size(); ++j) {
          if (j > 0) pooled[j] += value[j - 1] / kKernel;
          pooled[j] += value[j] / kKernel;
          if (j + 1 < value.size()) pooled[j] += value[j + 1] / kKernel;
        }
        return pooled;
      };
      EXPECT_EQ(cache_of(found, h), run_literal(trace, 0, policy)) << "seed " << seed << " head " << h;
    }
  }
}

TEST(Trap, no_4_and_6_rows_hold_residents_only_and_sum_to_one_over_them) {
  // A policy that saw full rows would accumulate less mass per step than one entry's worth for each row.
  const SyntheticTrace trace = random_step_trace(46);
  class Checker final : public alloc::Scorer {
   public:
    struct State final : alloc::ScorerState {
      void observe(const alloc::ObservedRow& row) override {
        EXPECT_EQ(row.prob.size(), row.residents.size());
        EXPECT_LE(row.residents.size(), 17U);
        EXPECT_NEAR(std::accumulate(row.prob.begin(), row.prob.end(), 0.0), kTraceGroup, 1e-5);
        for (const std::uint32_t i : row.residents) EXPECT_FALSE(gone.contains(i)) << "came back: " << i;
        for (const std::uint32_t i : before) {
          if (std::find(row.residents.begin(), row.residents.end(), i) == row.residents.end()) gone.insert(i);
        }
        before.assign(row.residents.begin(), row.residents.end());
      }
      void score(const alloc::Residents& residents, std::span<float> score) const override {
        for (std::size_t j = 0; j < score.size(); ++j) score[j] = static_cast<float>(residents.position[j] * 7 % 13);
      }
      std::set<std::uint32_t> gone;
      std::vector<std::uint32_t> before;
    };
    alloc::RefreshRule rule() const override {
      alloc::RefreshRule rule;
      rule.window = 0;
      rule.order = alloc::SlotOrder::time;
      rule.trigger = alloc::Trigger::every_step;
      return rule;
    }
    alloc::Needs needs() const override {
      alloc::Needs needs;
      needs.rows = true;
      return needs;
    }
    std::unique_ptr<alloc::ScorerState> make_state(const alloc::CacheIdentity&) const override {
      return std::make_unique<State>();
    }
  };
  const Sequence sequence = sequence_of(trace);
  Sweep sweep = sweep_of_steps({"uniform/h2o"}, 16, sequence);
  sweep.simulations.front().scorer = std::make_shared<Checker>();
  const LayerTensors tensors = layer_tensors(trace, 0);
  StatisticsScratch scratch;
  simulate_layer(sweep.simulations.front(), sequence, 0, {.tensors = &tensors}, 7, scratch);
}

TEST(Trap, no_16_caches_of_query_heads_count_once_per_query_head) {
  const SyntheticTrace trace = random_step_trace(47);
  const Sequence sequence = sequence_of(trace);
  EXPECT_EQ(simulate_steps("uniform/h2o", 16, trace).resident_counts(sequence).back(), 17U);
  EXPECT_EQ(simulate_steps("uniform/h2o:heads=query", 16, trace).resident_counts(sequence).back(), kTraceGroup * 17U);
}

TEST(Trap, no_17_h2o_adds_the_row_before_it_evicts_and_its_budget_does_not_grow) {
  const SyntheticTrace trace = random_step_trace(48);
  const Sequence sequence = sequence_of(trace);
  const std::vector<std::uint32_t> counts = simulate_steps("uniform/h2o", 16, trace).resident_counts(sequence);
  for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) EXPECT_EQ(counts[s], 17U) << "step " << s;
}

TEST(Trap, no_31_a_cut_in_every_step_peaks_at_the_budget_plus_one) {
  const SyntheticTrace trace = random_step_trace(49);
  const Sequence sequence = sequence_of(trace);
  for (const std::string scorer : {"h2o", "tova", "scissorhands", "cake:window=4"}) {
    const std::vector<std::uint32_t> counts = simulate_steps("uniform/" + scorer, 16, trace).resident_counts(sequence);
    EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 17U) << scorer;
  }
  const std::vector<std::uint32_t> lazy =
      simulate_steps("uniform/lazyeviction:window=6", 16, trace).resident_counts(sequence);
  EXPECT_EQ(*std::max_element(lazy.begin(), lazy.end()), 22U);
}

TEST(Trap, no_9_a_prompt_of_exactly_the_budget_loses_nothing) {
  const SyntheticTrace trace = random_step_trace(50, 16);
  for (const std::string scorer : {"h2o", "tova", "lazyeviction:window=6"}) {
    const LayerResidency found = simulate_steps("uniform/" + scorer, 16, trace);
    EXPECT_EQ(std::count(found.evicted_at.begin(), found.evicted_at.end(), 0), 0) << scorer;
  }
}

TEST(Trap, no_30_no_state_passes_from_one_run_to_the_next) {
  const SyntheticTrace trace = random_step_trace(51), other = random_step_trace(52);
  const LayerResidency first = simulate_steps("uniform/h2o", 16, trace);
  simulate_steps("uniform/h2o", 16, other);
  EXPECT_EQ(simulate_steps("uniform/h2o", 16, trace).evicted_at, first.evicted_at);
}

TEST(Protection, keeps_what_it_names_whatever_the_score) {
  const SyntheticTrace trace = random_step_trace(53);
  for (const std::string scorer : {"h2o:", "tova:", "lazyeviction:window=6,", "rkv:window=4,buffer=8,",
                                   "random:window=4,buffer=8,", "lru:page=4,form=destroy,"}) {
    const LayerResidency found = simulate_steps("uniform/" + scorer + "protect=sinks:3,recent:7", 20, trace);
    for (std::uint32_t i = 0; i < kTracePositions; ++i) {
      const std::int32_t until =
          i < 3 ? kNever : static_cast<std::int32_t>(i + 7) - static_cast<std::int32_t>(kTracePrompt);
      EXPECT_GE(found.evicted_at[i], std::min(until, kNever)) << scorer << " position " << i;
    }
  }
  EXPECT_THROW(simulate_steps("uniform/h2o:protect=sinks:9,recent:9", 16, trace), alloc::BadBudget);
  EXPECT_THROW(simulate_steps("uniform/h2o:protect=prompt", 16, trace), alloc::BadBudget);
}

TEST(SimulateAll, gives_the_same_whatever_runs_beside_it_and_on_any_number_of_threads) {
  const SyntheticTrace trace = random_step_trace(54);
  const Sequence sequence = sequence_of(trace);
  const std::vector<std::string> texts = {"uniform/h2o",
                                          "uniform/tova",
                                          "uniform/rkv:window=4,buffer=8",
                                          "uniform/h2o:heads=query",
                                          "uniform/quest:page=4",
                                          "uniform/lru:page=4,wanted=5",
                                          "uniform/lazyeviction:window=6"};
  const Sweep sweep = sweep_of_steps(texts, 16, sequence);
  const LayerTensors tensors = layer_tensors(trace, 2);
  for (const unsigned n_threads : {1U, 3U}) {
    kernels::ThreadPool pool(n_threads);
    std::vector<StatisticsScratch> scratch(pool.size());
    const std::vector<LayerResidency> all =
        simulate_all(sweep.simulations, sequence, 2, {.tensors = &tensors}, 7, {}, pool, scratch);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const LayerResidency alone = simulate_steps(texts[i], 16, trace, 2);
      EXPECT_EQ(all[i].evicted_at, alone.evicted_at) << texts[i];
      EXPECT_EQ(all[i].visible, alone.visible) << texts[i];
      EXPECT_EQ(all[i].moved, alone.moved) << texts[i];
      EXPECT_EQ(all[i].budget, alone.budget) << texts[i];
    }
  }
}

TEST(SimulateAll, does_not_depend_on_the_instruction_set) {
  const SyntheticTrace trace = random_step_trace(55);
  const LayerResidency best = simulate_steps("uniform/h2o", 16, trace);
  const kernels::SimdPath before = kernels::simd_path();
  kernels::set_simd_path(kernels::SimdPath::baseline);
  const LayerResidency baseline = simulate_steps("uniform/h2o", 16, trace);
  kernels::set_simd_path(before);
  EXPECT_EQ(best.evicted_at, baseline.evicted_at);
}

}  // namespace
}  // namespace kvwave::replay
