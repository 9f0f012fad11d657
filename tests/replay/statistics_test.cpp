// Intervals, tests and areas against values formed with numpy and scipy (tests/fixtures/make_statistics_fixture.py),
// and their behaviour at the edges.
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "replay/bootstrap.h"
#include "replay/calibrate.h"
#include "replay/distributions.h"
#include "replay/equivalence.h"
#include "replay/frontier.h"
#include "replay/holm.h"
#include "replay/no_figure.h"
#include "replay/paired_difference.h"
#include "replay/random_stream.h"

namespace kvwave::replay {
namespace {

using Values = std::vector<double>;

const nlohmann::json& reference() {
  static const nlohmann::json loaded = [] {
    std::ifstream file(KVWAVE_TEST_DATA "/statistics_reference.json");
    return nlohmann::json::parse(file);
  }();
  return loaded;
}

TEST(RandomStream, gives_the_numbers_of_its_description) {
  for (const auto& entry : reference()["stream"]) {
    const RandomStream stream(entry["seed"].get<std::uint64_t>(), entry["stream"].get<std::uint64_t>());
    const std::array<std::uint64_t, 3> at = {0, 1, 7};
    for (std::size_t i = 0; i < at.size(); ++i) {
      EXPECT_EQ(std::to_string(stream.bits(at[i])), entry["bits"][i].get<std::string>());
    }
  }
}

TEST(RandomStream, stays_below_the_bound_and_reaches_every_value) {
  const RandomStream stream(42, 0);
  std::array<int, 7> seen{};
  for (std::uint64_t i = 0; i < 7000; ++i) ++seen.at(stream.below(i, 7));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Distributions, agree_with_scipy) {
  for (const auto& row : reference()["normal_cdf"]) EXPECT_NEAR(normal_cdf(row[0]), row[1].get<double>(), 1e-12);
  for (const auto& row : reference()["student_cdf"]) {
    EXPECT_NEAR(student_cdf(row[0], row[1]), row[2].get<double>(), 1e-11) << row;
  }
  for (const auto& row : reference()["student_quantile"]) {
    const double expected = row[2];
    EXPECT_NEAR(student_quantile(row[0], row[1]), expected, 1e-9 * (1 + std::abs(expected))) << row;
  }
  EXPECT_EQ(student_cdf(std::numeric_limits<double>::infinity(), 3), 1);
  EXPECT_THROW(student_quantile(1, 3), std::invalid_argument);
}

TEST(Bootstrap, of_a_mean_agrees_with_numpy) {
  for (const auto& sample : reference()["samples"]) {
    const Values values = sample["values"];
    const BootstrapOptions options{sample["seed"], sample["resamples"], sample["level"]};
    const Interval interval = bootstrap_mean(values, options);
    EXPECT_NEAR(interval.low, sample["mean_interval"][0].get<double>(), 1e-12) << values.size();
    EXPECT_NEAR(interval.high, sample["mean_interval"][1].get<double>(), 1e-12) << values.size();
  }
}

TEST(Bootstrap, of_two_samples_agrees_with_numpy) {
  const auto& entry = reference()["two_samples"];
  const Values first = entry["first"], second = entry["second"];
  const auto mean = [](const Values& values, std::span<const std::uint32_t> units) {
    double sum = 0;
    for (const std::uint32_t unit : units) sum += values[unit];
    return sum / static_cast<double>(units.size());
  };
  const Interval interval = bootstrap_two(6, 9, {entry["seed"], entry["resamples"], entry["level"]},
                                          [&](std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
                                            return mean(first, a) - mean(second, b);
                                          });
  EXPECT_NEAR(interval.low, entry["interval"][0].get<double>(), 1e-12);
  EXPECT_NEAR(interval.high, entry["interval"][1].get<double>(), 1e-12);
}

TEST(Bootstrap, draws_the_same_for_the_same_seed_only) {
  Values values;
  for (int i = 0; i < 30; ++i) values.push_back(std::sin(i) + 0.01 * i);
  const Interval once = bootstrap_mean(values, {.seed = 1}), again = bootstrap_mean(values, {.seed = 1});
  const Interval other = bootstrap_mean(values, {.seed = 2});
  EXPECT_EQ(once.low, again.low);
  EXPECT_EQ(once.high, again.high);
  EXPECT_NE(once.low, other.low);
}

TEST(Bootstrap, knows_nothing_of_a_single_value) {
  EXPECT_TRUE(std::isnan(bootstrap_mean(Values{3}, {}).low));
  EXPECT_TRUE(std::isnan(bootstrap_mean(Values{}, {}).high));
}

// What the intervals are for: over many samples of normal data they hold the truth about as often as they say.
TEST(Bootstrap, covers_the_true_mean_about_as_often_as_promised) {
  const RandomStream random(20261122, 9);
  int covered = 0;
  constexpr int kSamples = 400;
  for (int sample = 0; sample < kSamples; ++sample) {
    Values values;
    for (std::uint64_t i = 0; i < 8; ++i) {
      double sum = -6;  // of 12 uniform numbers: nearly normal
      for (std::uint64_t j = 0; j < 12; ++j) {
        sum += static_cast<double>(random.bits((static_cast<std::uint64_t>(sample) * 8 + i) * 12 + j) >> 11U) * 0x1p-53;
      }
      values.push_back(sum);
    }
    covered += bootstrap_mean(values, {.seed = 1, .resamples = 1000}).contains(0) ? 1 : 0;
  }
  EXPECT_GE(covered, kSamples * 90 / 100);
  EXPECT_LE(covered, kSamples * 99 / 100);
}

TEST(SignFlipTest, agrees_with_scipy_for_every_pattern) {
  for (const auto& sample : reference()["samples"]) {
    EXPECT_NEAR(sign_flip_p_value(Values(sample["values"]), 1), sample["sign_flip"].get<double>(), 1e-12);
  }
}

TEST(SignFlipTest, draws_patterns_where_there_are_too_many) {
  Values differences;
  const RandomStream random(3, 1);
  for (std::uint64_t i = 0; i < 15; ++i) differences.push_back(static_cast<double>(random.below(i, 1000)) - 400);
  // The exact value for the first 14 is near that of 15 draws of the same kind; both are formed by different code.
  const double drawn = sign_flip_p_value(differences, 1);
  EXPECT_EQ(drawn, sign_flip_p_value(differences, 1));
  EXPECT_GT(drawn, 0);
  double hits = 0;
  double observed = 0;
  for (const double difference : differences) observed += difference;
  for (std::uint32_t pattern = 0; pattern < 1U << 15U; ++pattern) {
    double sum = 0;
    for (std::size_t i = 0; i < 15; ++i) sum += (pattern >> i & 1U) != 0 ? -differences[i] : differences[i];
    hits += std::abs(sum) >= std::abs(observed) - 1e-6 ? 1 : 0;
  }
  EXPECT_NEAR(drawn, hits / (1U << 15U), 0.02);
}

TEST(SignFlipTest, says_one_for_no_difference_and_never_less_than_the_count_allows) {
  EXPECT_EQ(sign_flip_p_value(Values{0, 0, 0}, 1), 1);
  EXPECT_EQ(sign_flip_p_value(Values{1, 2, 3}, 1), 0.25);
  EXPECT_TRUE(std::isnan(sign_flip_p_value(Values{}, 1)));
}

TEST(EffectSize, agrees_with_numpy_and_knows_its_edges) {
  for (const auto& sample : reference()["samples"]) {
    if (!sample.contains("effect")) continue;
    EXPECT_NEAR(paired_effect_size(Values(sample["values"])), sample["effect"].get<double>(), 1e-12);
  }
  EXPECT_EQ(paired_effect_size(Values{0, 0, 0}), 0);
  EXPECT_TRUE(std::isinf(paired_effect_size(Values{0.5, 0.5, 0.5})));
  EXPECT_TRUE(std::isnan(paired_effect_size(Values{1, 2})));
}

TEST(Holm, steps_down_as_published) {
  const Values p = reference()["holm"]["p"], expected = reference()["holm"]["adjusted"];
  const Values adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15);
}

TEST(Holm, leaves_out_what_was_not_compared) {
  const Values adjusted = holm_adjusted(Values{0.02, kNoFigure, 0.04});
  EXPECT_DOUBLE_EQ(adjusted[0], 0.04);
  EXPECT_TRUE(std::isnan(adjusted[1]));
  EXPECT_DOUBLE_EQ(adjusted[2], 0.04);
  EXPECT_TRUE(holm_adjusted(Values{}).empty());
}

TEST(EquivalenceTest, agrees_with_scipy) {
  for (const auto& sample : reference()["samples"]) {
    for (const auto& row : sample["tost"]) {
      const Equivalence found = equivalence_test(Values(sample["values"]), row[0]);
      EXPECT_NEAR(found.p_value, row[1].get<double>(), 1e-10) << row;
      EXPECT_EQ(found.equal, row[1].get<double>() < 0.05);
    }
  }
}

TEST(EquivalenceTest, needs_scatter_or_exact_equality_to_decide) {
  EXPECT_TRUE(equivalence_test(Values{0, 0, 0}, 0.01).equal);
  EXPECT_FALSE(equivalence_test(Values{0.01, 0.01, 0.01}, 0.01).equal) << "at the bound is not inside it";
  EXPECT_FALSE(equivalence_test(Values{0}, 0.01).equal) << "one trace shows nothing";
}

TEST(WaveDistance, agrees_with_scipy) {
  for (const auto& entry : reference()["waves"]) {
    EXPECT_NEAR(wave_distance(Values(entry["a"]), Values(entry["b"])), entry["distance"].get<double>(), 1e-12);
  }
}

std::vector<FrontierPoint> curve(const Values& memory, const Values& value) {
  std::vector<FrontierPoint> points;
  for (std::size_t i = 0; i < memory.size(); ++i) points.push_back({memory[i], value[i]});
  return points;
}

TEST(Frontier, area_agrees_with_numpy) {
  const auto& entry = reference()["frontier"];
  const auto points = curve(entry["memory"], entry["value"]);
  EXPECT_NEAR(frontier_area(points, {entry["range"][0], entry["range"][1]}), entry["area"].get<double>(), 1e-9);
}

TEST(Frontier, of_a_constant_is_the_constant) {
  EXPECT_NEAR(frontier_area(curve({10, 20, 40, 80, 160}, {0.7, 0.7, 0.7, 0.7, 0.7}), {15, 90}), 0.7, 1e-15);
}

TEST(Frontier, compares_where_all_curves_are) {
  const auto a = curve({10, 20, 40, 80, 160}, {1, 1, 1, 1, 1}), b = curve({12, 24, 48, 96, 192}, {1, 1, 1, 1, 1});
  const std::array<std::span<const FrontierPoint>, 2> curves = {a, b};
  const auto range = common_range(curves);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->low, 12);
  EXPECT_EQ(range->high, 160);
}

TEST(Frontier, refuses_fewer_than_five_points_and_curves_apart) {
  const auto four = curve({10, 20, 40, 80, 160}, {1, kNoFigure, 1, 1, 1}),
             five = curve({10, 20, 40, 80, 160}, {1, 1, 1, 1, 1});
  const auto far = curve({1e3, 2e3, 3e3, 4e3, 5e3}, {1, 1, 1, 1, 1});
  const std::array<std::span<const FrontierPoint>, 2> few = {five, four}, apart = {five, far};
  EXPECT_FALSE(common_range(few));
  EXPECT_FALSE(common_range(apart));
}

}  // namespace
}  // namespace kvwave::replay
