// Distances of waves within and between data sets, and the command that prints them.
#include "replay/wave_comparison.h"

#include <cmath>

#include <gtest/gtest.h>

#include "replay/commands.h"
#include "replay/compare_waves.h"
#include "replay/error.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/command_line.h"

namespace kvwave::replay {
namespace {

using Words = std::vector<std::string>;
using Wave = std::vector<double>;

WaveSet set_of(const std::string& name, const std::vector<Wave>& waves, const std::string& model = "m") {
  WaveSet set{name, {}};
  for (std::size_t i = 0; i < waves.size(); ++i) {
    set.traces.push_back({name + std::to_string(i), model, model, name + std::to_string(i), {waves[i], 10}});
  }
  return set;
}

TEST(WaveComparison, distances_are_means_over_pairs_and_of_mean_waves) {
  const std::vector<WaveSet> sets = {set_of("A", {{1, 0}, {0.5, 0.5}, {1, 0}}), set_of("B", {{0, 1}, {0, 2}})};
  const std::vector<SetDistances> found = set_distances(sets, {.seed = 1, .resamples = 200});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_NEAR(found[0].of_traces.value, (0.5 + 0 + 0.5) / 3, 1e-15) << "three pairs within A";
  EXPECT_NEAR(found[1].of_traces.value, 0, 1e-15) << "a scale does not matter";
  EXPECT_NEAR(found[2].of_traces.value, (1 + 0.5 + 1) / 3, 1e-15);
  EXPECT_NEAR(found[2].of_means.value, 2.5 / 3, 1e-15);
  EXPECT_LE(found[2].of_traces.interval.low, found[2].of_traces.value);
  EXPECT_GE(found[2].of_traces.interval.high, found[2].of_traces.value);
  EXPECT_TRUE(found[2].same_model);
}

TEST(WaveComparison, a_single_trace_has_no_interval) {
  const std::vector<WaveSet> sets = {set_of("A", {{1, 0}}), set_of("B", {{0, 1}}, "other")};
  const std::vector<SetDistances> found = set_distances(sets, {.seed = 1, .resamples = 100});
  EXPECT_TRUE(std::isnan(found[0].of_traces.value)) << "no pair within A";
  EXPECT_EQ(found[2].of_means.value, 1);
  EXPECT_TRUE(std::isnan(found[2].of_means.interval.low));
  EXPECT_FALSE(found[2].same_model);
}

TEST(WaveComparison, names_the_layers_that_differ_most) {
  const WaveSet a = set_of("A", {{1, 1, 2}, {1, 1, 2}}), b = set_of("B", {{1, 2, 1}, {1, 2, 1}});
  const std::vector<LayerDifference> layers = layer_differences(a, b, 2, {.seed = 1, .resamples = 100});
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0].layer, 1U);
  EXPECT_NEAR(layers[0].share_a - layers[0].share_b, -0.25, 1e-15);
  EXPECT_NEAR(layers[0].interval.low, -0.25, 1e-15) << "equal traces leave no doubt";
  EXPECT_EQ(layers[1].layer, 2U);
  EXPECT_TRUE(layer_differences(a, set_of("C", {{1, 2}}), 2, {}).empty()) << "other number of layers";
}

TEST(SplitSets, takes_words_up_to_the_next_option) {
  const SplitArguments split = split_sets(Words{"--rho", "0.9", "--compare", "a", "b", "--with", "c", "--seed", "3"});
  EXPECT_EQ(split.sets, (std::vector<Words>{{"a", "b"}, {"c"}}));
  EXPECT_EQ(split.rest, (Words{"--rho", "0.9", "--seed", "3"}));
  EXPECT_THROW(split_sets(Words{"--with", "c"}), traces::UsageError);
  EXPECT_THROW(split_sets(Words{"--compare", "c"}), traces::UsageError);
  EXPECT_THROW(split_sets(Words{"--compare", "a", "--with"}), traces::UsageError);
}

TEST(CalibrateCommand, compares_sets_and_refuses_a_trace_in_both) {
  const TemporaryFolder folder;
  Words names;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SyntheticOptions options;
    options.seed = seed;
    options.n_positions = 60;
    names.push_back((folder / (std::to_string(seed) + ".h5")).string());
    write_synthetic(names.back(), options);
  }
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(calibrate_command(Words{"--compare", names[0], names[1], "--with", names[2], names[3]}), 0);
  const std::string out = ::testing::internal::GetCapturedStdout();
  for (const char* part : {"within A", "A to B, same model", "0.0132", "Largest differences", "mean little"}) {
    EXPECT_NE(out.find(part), std::string::npos) << part << " is not in\n" << out;
  }
  EXPECT_THROW(calibrate_command(Words{"--compare", names[0], "--with", names[1], names[0]}), DuplicateTrace);
  EXPECT_THROW(calibrate_command(Words{"--compare", names[0], "--with", names[1], "-o", "p.json"}), traces::UsageError);
}

}  // namespace
}  // namespace kvwave::replay
