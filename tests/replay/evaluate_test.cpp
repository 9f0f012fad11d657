// Phase 2 against fp64 brute force written from METRICS.md, identities, and equality over threads and paths.
#include "replay/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <gtest/gtest.h>

#include "kernels/cpu_features.h"
#include "replay/summary.h"
#include "tests/replay/brute_force.h"
#include "tests/replay/small_replay.h"

namespace kvwave::replay {
namespace {

class EvaluateAgainstBruteForce : public ::testing::TestWithParam<TraceCase> {};

void check_every_metric(const SyntheticTrace& trace, const std::vector<std::string>& strategies) {
  const std::unique_ptr<Replayed> run = run_replay(trace, strategies, 2);
  const Sequence& sequence = run->sequence;
  const MetricSums& sums = *run->sums;
  const std::uint32_t n = sums.n_columns;
  for (std::uint32_t c = 0; c < n; ++c) {
    std::vector<double> step_mass(sequence.n_steps(), 0.0), step_error(step_mass), step_recall(step_mass);
    for (std::uint32_t l = 0; l < sequence.n_layers; ++l) {
      for (std::uint32_t h = 0; h < sequence.n_q_heads; ++h) {
        double mass = 0, error = 0, output = 0, bound = 0, recall = 0;
        for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) {
          const ExactFigures exact = exact_figures(trace, l, h, sequence.n_prompt + s, seen(*run, trace, c, l, h, s));
          EXPECT_LE(exact.square_error, exact.square_bound * (1 + 1e-9) + 1e-20) << "the bound is a theorem";
          step_mass[s] += exact.mass;
          step_error[s] += exact.square_error;
          step_recall[s] += exact.recall;
          if (sequence.n_prompt + s + 1 <= run->sweep.column_budget(c)) continue;
          mass += exact.mass;
          error += exact.square_error;
          output += exact.square_output;
          bound += exact.square_bound;
          recall += exact.recall;
        }
        const std::size_t at = (std::size_t{l} * sequence.n_q_heads + h) * n + c;
        ASSERT_NEAR(sums.head_mass[at], mass, 1e-5 * sequence.n_steps()) << "column " << c;
        ASSERT_NEAR(sums.head_high[at], mass, 1e-5 * sequence.n_steps()) << "exact rows have no uncertainty";
        ASSERT_NEAR(std::sqrt(sums.head_error[at]), std::sqrt(error), 2e-4 * std::sqrt(output)) << "column " << c;
        ASSERT_NEAR(sums.head_output[at], output, 1e-4 * output);
        ASSERT_NEAR(std::sqrt(sums.head_bound[at]), std::sqrt(bound),
                    1e-4 * std::sqrt(output) + 1e-4 * std::sqrt(bound));
        ASSERT_NEAR(sums.head_recall[at], recall, 1e-4 * sequence.n_steps()) << "column " << c;
      }
    }
    for (std::uint32_t s = 0; s < sequence.n_steps(); ++s) {
      ASSERT_NEAR(sums.step_mass[std::size_t{s} * n + c], step_mass[s], 1e-5 * sequence.n_q_heads);
      ASSERT_NEAR(sums.step_recall[std::size_t{s} * n + c], step_recall[s], 1e-4 * sequence.n_q_heads);
      ASSERT_NEAR(std::sqrt(sums.step_error[std::size_t{s} * n + c]), std::sqrt(step_error[s]),
                  2e-4 * std::sqrt(sums.step_output[s]));
    }
  }
}

TEST_P(EvaluateAgainstBruteForce, every_metric_agrees) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam().seed);
  check_every_metric(trace_of(GetParam()), kMixed);
}

TEST_P(EvaluateAgainstBruteForce, every_metric_agrees_where_visibility_changes_in_every_step) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam().seed);
  check_every_metric(trace_of(GetParam()), kEveryStep);
}

INSTANTIATE_TEST_SUITE_P(Shapes, EvaluateAgainstBruteForce,
                         ::testing::Values(TraceCase{101, 1, 2, 8, 10, 50, traces::FloatType::f32},
                                           TraceCase{102, 2, 2, 16, 20, 61, traces::FloatType::f32},
                                           TraceCase{103, 3, 1, 5, 14, 60, traces::FloatType::f16},
                                           TraceCase{104, 4, 1, 24, 9, 45, traces::FloatType::f32}));

TEST(TrapRenormalise, divergence_from_the_full_row_is_minus_the_logarithm_of_the_mass) {
  const SyntheticTrace trace = trace_of({105, 2, 1, 8, 12, 40, traces::FloatType::f32});
  const std::unique_ptr<Replayed> run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 1, false, {12});
  for (std::uint32_t s = 0; s < run->sequence.n_steps(); ++s) {
    const std::vector<double> row = exact_row(trace, 1, 0, run->sequence.n_prompt + s);
    const std::vector<bool> visible = visible_at(run->residency[1][0], run->sequence, 0, s);
    double mass = 0, divergence = 0, variation = 0;
    for (std::size_t i = 0; i < row.size(); ++i) mass += visible[i] ? row[i] : 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double restricted = visible[i] ? row[i] / mass : 0;
      if (restricted > 0) divergence += restricted * std::log(restricted / row[i]);
      variation += std::abs(restricted - row[i]) / 2;
    }
    EXPECT_NEAR(divergence, -std::log(mass), 1e-12);
    EXPECT_NEAR(variation, 1 - mass, 1e-12);
  }
}

TEST(Evaluate, the_full_cache_loses_nothing_and_the_ceiling_beats_every_cache) {
  const SyntheticTrace trace = trace_of({106, 2, 2, 8, 10, 60, traces::FloatType::f32});
  const std::unique_ptr<Replayed> run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 2);
  const std::vector<ConfigurationSummary> all = summarise(*run->sums, run->sweep, 2);
  for (std::size_t c = 0; c < all.size(); ++c) {
    const Configuration& configuration = run->sweep.configurations[c];
    if (configuration.kind == ConfigurationKind::full) {
      EXPECT_NEAR(all[c].total.retained_mass, 1.0, 1e-6);
      EXPECT_EQ(all[c].total.output_error, 0.0);
      EXPECT_NEAR(all[c].total.recall, 1.0, 1e-6);
      EXPECT_EQ(all[c].total.needed_after_eviction, 0.0);
    }
    if (configuration.kind != ConfigurationKind::ceiling) continue;
    for (std::size_t other = 0; other < all.size(); ++other) {
      if (run->sweep.configurations[other].budget != configuration.budget) continue;
      if (run->sweep.configurations[other].kind != ConfigurationKind::destructive) continue;
      for (std::size_t h = 0; h < all[c].kv_heads.size(); ++h) {
        EXPECT_GE(all[c].kv_heads[h].retained_mass, all[other].kv_heads[h].retained_mass - 1e-6);
      }
    }
  }
}

TEST(TrapGroupMemory, bytes_count_kv_heads_not_query_heads) {
  const SyntheticTrace trace = trace_of({107, 4, 1, 8, 10, 60, traces::FloatType::f32});
  const std::unique_ptr<Replayed> run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 1, false, {12});
  const std::vector<ConfigurationSummary> all = summarise(*run->sums, run->sweep, 2);
  EXPECT_NEAR(all[0].kv_heads[0].bytes_peak, all[0].kv_heads[0].realised_peak * 2 * 8 * 2, 1e-9);
  EXPECT_NEAR(all[0].total.bytes_peak, 2 * all[0].kv_heads[0].bytes_peak, 1e-9) << "two layers, one KV head each";
}

TEST(TrapAveragingOverHeads, figures_exist_per_kv_head) {
  const SyntheticTrace trace = trace_of({108, 2, 2, 8, 10, 60, traces::FloatType::f32});
  const std::unique_ptr<Replayed> run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 1, false, {12});
  const std::vector<ConfigurationSummary> all = summarise(*run->sums, run->sweep, 2);
  ASSERT_EQ(all[0].kv_heads.size(), 4U);
  double mean = 0;
  for (const Figures& head : all[0].kv_heads) mean += head.retained_mass / 4;
  EXPECT_NEAR(all[0].total.retained_mass, mean, 1e-9);
  EXPECT_NE(all[0].kv_heads[0].retained_mass, all[0].kv_heads[1].retained_mass);
}

TEST(Evaluate, sums_are_equal_for_any_number_of_threads) {
  const SyntheticTrace trace = trace_of({109, 3, 2, 8, 10, 200, traces::FloatType::f32});
  const std::unique_ptr<Replayed> one = run_replay(trace, kMixed, 1), three = run_replay(trace, kMixed, 3);
  EXPECT_EQ(one->sums->step_mass, three->sums->step_mass);
  EXPECT_EQ(one->sums->head_error, three->sums->head_error);
  EXPECT_EQ(one->sums->bin_recall, three->sums->bin_recall);
}

TEST(Evaluate, more_than_64_simulations_give_the_same_figures_as_few) {
  const SyntheticTrace trace = trace_of({110, 2, 2, 8, 10, 50, traces::FloatType::f32});
  std::vector<std::uint32_t> budgets;
  for (std::uint32_t b = 8; b < 40; b += 2) budgets.push_back(b);
  const std::unique_ptr<Replayed> many = run_replay(trace, kMixed, 2, true, budgets);
  ASSERT_GT(many->sweep.n_simulations(), 128U);
  const std::vector<ConfigurationSummary> all = summarise(*many->sums, many->sweep, 2);
  for (const std::uint32_t budget : {8U, 22U, 38U}) {
    const std::unique_ptr<Replayed> few = run_replay(trace, kMixed, 1, true, {budget});
    const std::vector<ConfigurationSummary> some = summarise(*few->sums, few->sweep, 2);
    for (std::size_t c = 0; c < some.size(); ++c) {
      for (std::size_t m = 0; m < all.size(); ++m) {
        const Configuration &a = many->sweep.configurations[m], &b = few->sweep.configurations[c];
        if (a.budget != b.budget || a.full_text != b.full_text) continue;
        EXPECT_NEAR(all[m].total.retained_mass, some[c].total.retained_mass, 1e-12) << a.strategy;
        EXPECT_NEAR(all[m].total.output_error, some[c].total.output_error, 1e-5) << a.strategy;
        EXPECT_EQ(all[m].total.recall, some[c].total.recall) << a.strategy;
      }
    }
  }
}

TEST(Evaluate, baseline_code_agrees_with_the_widest_path) {
  const SyntheticTrace trace = trace_of({111, 3, 2, 20, 10, 90, traces::FloatType::f32});
  const std::unique_ptr<Replayed> best = run_replay(trace, kMixed, 1);
  const kernels::SimdPath before = kernels::simd_path();
  kernels::set_simd_path(kernels::SimdPath::baseline);
  const std::unique_ptr<Replayed> plain = run_replay(trace, kMixed, 1);
  kernels::set_simd_path(before);
  for (std::size_t i = 0; i < best->sums->head_mass.size(); ++i) {
    EXPECT_NEAR(best->sums->head_mass[i], plain->sums->head_mass[i], 1e-4);
    EXPECT_NEAR(best->sums->head_recall[i], plain->sums->head_recall[i], 0.1);
  }
}

TEST(Evaluate, a_budget_beyond_the_sequence_has_no_counted_step) {
  const SyntheticTrace trace = trace_of({112, 1, 1, 8, 10, 30, traces::FloatType::f32});
  const std::unique_ptr<Replayed> run = run_replay(trace, {"uniform/rkv:window=4,buffer=8"}, 1, true, {400});
  const std::vector<ConfigurationSummary> all = summarise(*run->sums, run->sweep, 2);
  EXPECT_EQ(all[0].n_counted, 0U);
  EXPECT_TRUE(std::isnan(all[0].total.retained_mass));
  EXPECT_TRUE(std::isnan(all[0].total.realised_peak));
}

}  // namespace
}  // namespace kvwave::replay
