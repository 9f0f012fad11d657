// Budgets solved for the memory they realise, and what protection alone explains.
#include "replay/match_memory.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "replay/ledger.h"
#include "replay/replay_trace.h"
#include "replay/summary.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

class FairComparison : public ::testing::Test {
 protected:
  FairComparison() : pool_(2) {
    SyntheticOptions options;
    options.shape = {.n_layers = 3, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
    options.n_positions = 260;
    options.seed = 301;
    write_synthetic(folder_ / "t.h5", options);
    reader_ = std::make_unique<traces::TraceReader>(folder_ / "t.h5");
  }

  std::unique_ptr<TraceReplay> replay(const std::vector<std::string>& strategies, SweepRequest request) {
    for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
    ReplayOptions options;
    options.metrics = {.error = false, .recall = false};
    return replay_trace(*reader_, 7, request, std::vector<double>{30, 20, 10}, options, pool_, [](auto, auto) {});
  }
  std::vector<ConfigurationSummary> summaries(const TraceReplay& replay) {
    return summarise(*replay.sums, replay.sweep, 2);
  }

  TemporaryFolder folder_;
  kernels::ThreadPool pool_;
  std::unique_ptr<traces::TraceReader> reader_;
};

TEST_F(FairComparison, matched_budgets_realise_the_asked_memory) {
  SweepRequest request;
  request.budgets = {40, 80};
  request.match_memory = true;
  const auto run = replay({"uniform/rkv:buffer=16", "pyramid:total=upstream/rkv:buffer=16", "reasonalloc/rkv:buffer=16",
                           "uniform/snapkv:buffer=32,window=4"},
                          request);
  const auto all = summaries(*run);
  for (std::size_t c = 0; c < all.size(); ++c) {
    const Configuration& configuration = run->sweep.configurations[c];
    SCOPED_TRACE(configuration.strategy + " at " + std::to_string(configuration.budget));
    EXPECT_EQ(all[c].total.solved_budget, configuration.solved_budget);
    EXPECT_EQ(all[c].n_counted, run->sequence.n_steps() - run->sequence.counted_from(configuration.budget))
        << "the asked memory decides which steps count, the same for all";
    if (configuration.kind != ConfigurationKind::destructive) continue;
    EXPECT_LT(configuration.solved_budget, configuration.budget)
        << "a cache cut every 16 steps reads more than its budget";
    EXPECT_NEAR(all[c].total.realised_mean, configuration.budget, 0.6) << "one entry of budget is about one entry read";
  }
}

TEST_F(FairComparison, no_neighbouring_budget_is_nearer) {
  SweepRequest request;
  request.budgets = {50};
  request.controls = false;
  request.match_memory = true;
  const auto matched = replay({"reasonalloc-head/rkv:buffer=16"}, request);
  const std::uint32_t solved = matched->sweep.configurations[0].solved_budget;
  const double miss = std::abs(summaries(*matched)[0].total.realised_mean - 50);
  SweepRequest beside;
  beside.controls = false;
  for (const std::uint32_t budget : {solved - 1, solved + 1}) {
    SweepRequest plain = beside;
    plain.budgets = {50};
    plain.solved = {{count_key(alloc::Strategy::parse("reasonalloc-head/rkv:buffer=16")), 50, budget}};
    const auto run = replay({"reasonalloc-head/rkv:buffer=16"}, plain);
    EXPECT_GE(std::abs(summaries(*run)[0].total.realised_mean - 50), miss) << "budget " << budget;
  }
}

TEST_F(FairComparison, controls_are_matched_like_the_strategies_they_scale) {
  SweepRequest request;
  request.budgets = {40};
  request.match_memory = true;
  const auto run = replay({"uniform/rkv:buffer=16"}, request);
  for (const Configuration& configuration : run->sweep.configurations) {
    if (configuration.kind == ConfigurationKind::full) continue;
    EXPECT_EQ(configuration.solved_budget, run->sweep.configurations[0].solved_budget) << configuration.strategy;
  }
}

TEST_F(FairComparison, a_policy_without_score_is_explained_by_its_protection_wholly) {
  SweepRequest request;
  request.budgets = {40};
  request.explain_protection = true;
  const auto run = replay({"uniform/random:protect=sinks:4", "uniform/rkv:buffer=16,protect=sinks:4"}, request);
  const auto all = summaries(*run);
  EXPECT_NEAR(all[0].total.protection_share, 1.0, 1e-9) << run->sweep.configurations[0].strategy;
  const auto with_role = [&](ConfigurationRole role) {
    for (std::size_t c = 0; c < all.size(); ++c) {
      const Configuration& configuration = run->sweep.configurations[c];
      if (configuration.role == role && configuration.explains == 1) return all[c].total.retained_mass;
    }
    return kNoFigure;
  };
  const double chance = with_role(ConfigurationRole::random_score), bare = with_role(ConfigurationRole::unprotected);
  EXPECT_GT(chance, bare) << "sinks and recent entries carry mass";
  EXPECT_NEAR(all[1].total.protection_share, (chance - bare) / (all[1].total.retained_mass - bare), 1e-12);
  for (std::size_t c = 0; c < all.size(); ++c) {
    const Configuration& configuration = run->sweep.configurations[c];
    if (configuration.explains == 1) {
      EXPECT_NEAR(all[c].total.realised_mean, all[1].total.realised_mean, 1e-9) << "equal memory";
    }
    EXPECT_TRUE(configuration.role == ConfigurationRole::none || configuration.control);
  }
}

TEST_F(FairComparison, a_selection_holds_all_and_reads_its_share_and_an_offload_counts_what_it_moves) {
  SweepRequest request;
  request.budgets = {64};
  request.controls = false;
  const auto run = replay({"full", "uniform/quest", "uniform/lru", "uniform/rkv:buffer=16"}, request);
  const auto all = summaries(*run);
  const Figures &full = all[0].total, &quest = all[1].total, &lru = all[2].total, &rkv = all[3].total;
  EXPECT_NEAR(quest.bytes_mean, full.bytes_mean, 1e-6 * full.bytes_mean) << "nothing is freed";
  EXPECT_NEAR(quest.bytes_peak, full.bytes_peak, 1e-6 * full.bytes_peak);
  EXPECT_LT(quest.bytes_read, 2 * full.bytes_read) << "each of the two query heads reads pages of its own";
  EXPECT_TRUE(std::isnan(quest.bytes_moved)) << "no reservoir";
  EXPECT_LT(lru.bytes_mean, full.bytes_mean);
  double moved = 0;  // counted from phase 1 itself
  const std::uint32_t n_steps = run->sequence.n_steps(), first = run->sequence.counted_from(64);
  ReplayOptions options;
  options.metrics = {.error = false, .recall = false};
  options.keep_details = true;
  SweepRequest detailed = request;
  detailed.strategies = {alloc::Strategy::parse("uniform/lru")};
  const auto kept =
      replay_trace(*reader_, 7, detailed, std::vector<double>{30, 20, 10}, options, pool_, [](auto, auto) {});
  for (const std::vector<PackedResidency>& layer : kept->residency) {
    const LayerResidency& found = layer[0].rest();
    ASSERT_EQ(found.moved.size(), std::size_t{found.n_caches} * n_steps);
    for (std::size_t i = 0; i < found.moved.size(); ++i) moved += i % n_steps >= first ? found.moved[i] : 0;
  }
  EXPECT_GT(moved, 0);
  EXPECT_NEAR(lru.bytes_moved, moved / (n_steps - first) * 2 * 8 * 2, 1e-6 * lru.bytes_moved);
  EXPECT_TRUE(std::isnan(rkv.bytes_moved));
}

TEST_F(FairComparison, ledger_lines_add_up_to_their_configuration) {
  SweepRequest request;
  request.budgets = {40};
  request.controls = false;
  const auto run = replay({"reasonalloc/rkv:buffer=16"}, request);
  const auto all = summaries(*run);
  const std::string text = ledger_csv_lines({.trace = "a,b.h5",
                                             .sequence = &run->sequence,
                                             .configuration = run->sweep.configurations.data(),
                                             .baseline = "uniform/rkv",
                                             .unequal_to = "",
                                             .summary = all.data()});
  const std::string header = ledger_csv_header();
  EXPECT_TRUE(text.starts_with("\"a,b.h5\",reasonalloc/rkv:buffer=16,40,,,40,destructive,kv_head,1,"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 3 * 2) << "the configuration, then 3 layers of 2 KV heads";
  const auto first_line = text.substr(0, text.find('\n'));
  EXPECT_EQ(std::count(first_line.begin(), first_line.end(), ','), std::count(header.begin(), header.end(), ',') + 1)
      << "one comma is inside the quoted path";
  double bytes = 0;
  for (const Figures& head : all[0].kv_heads) bytes += head.bytes_mean;
  EXPECT_NEAR(bytes, all[0].total.bytes_mean, 1e-6 * bytes);
  EXPECT_EQ(readers_per_cache(run->sweep.configurations[0], run->sequence), 2U) << "a group of two reads each cache";
}

}  // namespace
}  // namespace kvwave::replay
