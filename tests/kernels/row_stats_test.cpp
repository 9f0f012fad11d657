#include "kernels/row_stats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "kernels/cpu_features.h"
#include "kernels/half.h"
#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

using testing::supported_paths;

const std::vector<double> kRho = {0.5, 0.8, 0.9, 0.93, 0.95, 0.99, 1.0};
constexpr double kEpsilons[] = {0.0, 1e-3, 1e-2, 0.1, 0.7};

struct Covering {
  std::vector<std::uint32_t> position;
  std::vector<std::byte> prob;
  float residual = 0;
  bool operator==(const Covering&) const = default;
};

Covering covering_reference(std::span<const float> row, double epsilon, ProbType type) {
  Covering result;
  result.residual = select_covering_reference(row, epsilon, type, result.position, result.prob);
  return result;
}

/// Everything the fast code says about a row, on the path in use, compared with the definition.
void expect_equal_to_reference(std::span<const float> row, const std::string& what) {
  std::vector<std::uint32_t> demand(kRho.size()), expected_demand(kRho.size());
  RowStats stats, expected;
  RowScratch scratch;
  const std::uint32_t invalid = row_stats(row, kRho, 4, 32, demand, stats, scratch);
  EXPECT_EQ(invalid, row_stats_reference(row, kRho, 4, 32, expected_demand, expected)) << what;
  EXPECT_EQ(demand, expected_demand) << what;
  if (invalid != 0) {
    EXPECT_TRUE(std::isnan(stats.entropy) && std::isnan(stats.sink_mass) && std::isnan(stats.recent_mass) &&
                std::isnan(stats.max_prob))
        << what;
  } else {
    EXPECT_EQ(stats.sink_mass, expected.sink_mass) << what;
    EXPECT_EQ(stats.recent_mass, expected.recent_mass) << what;
    EXPECT_EQ(stats.max_prob, expected.max_prob) << what;
    EXPECT_NEAR(stats.entropy, expected.entropy, 1e-5 * expected.entropy + 1e-7) << what;
  }
  for (const double epsilon : kEpsilons) {
    for (const ProbType type : {ProbType::f16, ProbType::f32}) {
      Covering fast;
      fast.residual = select_covering(row, epsilon, type, fast.position, fast.prob, scratch);
      EXPECT_EQ(fast, covering_reference(row, epsilon, type)) << what << ", epsilon " << epsilon;
    }
  }
}

void expect_equal_on_every_path(std::span<const float> row, const std::string& what) {
  const SimdPath before = simd_path();
  for (const SimdPath path : supported_paths()) {
    set_simd_path(path);
    expect_equal_to_reference(row, what + " on " + std::string(to_string(path)));
  }
  set_simd_path(before);
}

/// A softmax row: Gaussian logits, some spikes, sometimes a sink.
std::vector<float> softmax_row(std::size_t n, double spread, std::mt19937_64& random) {
  std::normal_distribution<double> gauss(0.0, spread);
  std::vector<double> logits(n);
  for (double& logit : logits) logit = gauss(random);
  if (random() % 2 == 0) logits[0] += 3 * spread;
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& logit : logits) sum += logit = std::exp(logit - top);
  std::vector<float> row(n);
  std::transform(logits.begin(), logits.end(), row.begin(), [&](double e) { return static_cast<float>(e / sum); });
  return row;
}

TEST(RowStats, equals_the_sorted_definition_on_random_softmax_rows) {
  constexpr std::uint64_t kSeed = 20240611;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  for (int trial = 0; trial < 250; ++trial) {
    const std::size_t n = 1 + random() % (trial % 10 == 0 ? 4000 : 300);
    const double spread = 0.01 + static_cast<double>(random() % 1000) / 100.0;
    const std::vector<float> row = softmax_row(n, spread, random);
    expect_equal_on_every_path(row, "trial " + std::to_string(trial));
  }
}

TEST(RowStats, equals_the_sorted_definition_when_many_values_are_equal) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 100; ++trial) {
    const std::size_t n = 1 + random() % 700;
    const std::size_t levels = 1 + random() % 4;
    std::vector<float> row(n);
    for (float& p : row) p = std::ldexp(1.0F, -static_cast<int>(random() % levels) - 6);
    const float sum = std::accumulate(row.begin(), row.end(), 0.0F);
    for (float& p : row) p /= sum;
    expect_equal_on_every_path(row, "trial " + std::to_string(trial));
  }
}

TEST(RowStats, equals_the_sorted_definition_when_all_values_share_a_bucket) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<float> narrow(1.0F, 1.04F);
  for (const std::size_t n : {2U, 25U, 400U, 5000U}) {
    std::vector<float> row(n);
    for (float& p : row) p = narrow(random) / static_cast<float>(n);
    expect_equal_on_every_path(row, "shuffled " + std::to_string(n));
    std::sort(row.begin(), row.end());
    expect_equal_on_every_path(row, "ascending " + std::to_string(n));
    std::reverse(row.begin(), row.end());
    expect_equal_on_every_path(row, "descending " + std::to_string(n));
  }
}

TEST(RowStats, handles_extreme_rows) {
  expect_equal_on_every_path(std::vector<float>{1.0F}, "one position");
  expect_equal_on_every_path(std::vector<float>(1000, 1.0F / 1000), "all equal");
  std::vector<float> one_hot(333, 0.0F);
  one_hot[200] = 1.0F;
  expect_equal_on_every_path(one_hot, "one-hot");
  expect_equal_on_every_path(std::vector<float>(50, 0.0F), "all zero");
  std::vector<float> tiny(100, std::numeric_limits<float>::denorm_min());
  tiny[3] = 0.999F;
  tiny[50] = 1e-38F;
  expect_equal_on_every_path(tiny, "denormals");
  std::vector<float> below_units(600, 1e-14F);
  below_units[17] = 0.5F;
  expect_equal_on_every_path(below_units, "values below the unit of the sums");
  expect_equal_on_every_path(std::vector<float>(40, 1.0F), "not normalised");
}

TEST(RowStats, counts_entries_that_are_no_probability) {
  std::vector<float> row(77, 1.0F / 77);
  row[5] = std::numeric_limits<float>::quiet_NaN();
  row[40] = std::numeric_limits<float>::infinity();
  row[76] = -0.25F;
  expect_equal_on_every_path(row, "bad entries");
  std::vector<std::uint32_t> demand(kRho.size());
  RowStats stats;
  RowScratch scratch;
  EXPECT_EQ(row_stats(row, kRho, 4, 32, demand, stats, scratch), 3U);
  EXPECT_EQ(demand, std::vector<std::uint32_t>(kRho.size(), 77));
  row.assign(10, 0.1F);  // the same scratch serves a good row afterwards
  EXPECT_EQ(row_stats(row, kRho, 4, 32, demand, stats, scratch), 0U);
  EXPECT_EQ(demand[0], 5U);
}

TEST(RowStats, demand_is_the_known_value_of_a_small_row) {
  const std::vector<float> row = {0.125F, 0.5F, 0.0625F, 0.25F, 0.0625F};
  std::vector<std::uint32_t> demand(4);
  RowStats stats;
  RowScratch scratch;
  row_stats(row, std::vector<double>{0.5, 0.75, 0.8, 1.0}, 2, 2, demand, stats, scratch);
  EXPECT_EQ(demand, (std::vector<std::uint32_t>{1, 2, 3, 5}));
  EXPECT_EQ(stats.sink_mass, 0.625F);
  EXPECT_EQ(stats.recent_mass, 0.3125F);
  EXPECT_EQ(stats.max_prob, 0.5F);
  EXPECT_NEAR(stats.entropy, 1.299658, 2e-5);  // 0.5 ln 2 + 0.25 ln 4 + 0.125 ln 8 + 0.125 ln 16
}

TEST(RowStats, entropy_has_the_same_bits_on_every_path) {
  std::mt19937_64 random(3);
  const SimdPath before = simd_path();
  for (const std::size_t n : {1U, 15U, 16U, 17U, 1023U, 1024U, 1025U, 3333U}) {
    const std::vector<float> row = softmax_row(n, 2.0, random);
    std::vector<std::uint32_t> bits;
    for (const SimdPath path : supported_paths()) {
      set_simd_path(path);
      RowAnalyser analyser;
      analyser.read(row);
      bits.push_back(std::bit_cast<std::uint32_t>(analyser.stats(4, 32).entropy));
    }
    EXPECT_EQ(bits, std::vector<std::uint32_t>(bits.size(), bits[0])) << n;
  }
  set_simd_path(before);
}

TEST(SelectCovering, bounds_the_mass_of_every_set) {
  std::mt19937_64 random(19);
  for (const ProbType type : {ProbType::f16, ProbType::f32}) {
    for (int trial = 0; trial < 60; ++trial) {
      const std::vector<float> row = softmax_row(1 + random() % 500, 2.5, random);
      Covering kept;
      RowScratch scratch;
      kept.residual = select_covering(row, 1e-2, type, kept.position, kept.prob, scratch);
      EXPECT_TRUE(std::is_sorted(kept.position.begin(), kept.position.end()));
      std::vector<double> stored(row.size(), 0.0);
      for (std::size_t i = 0; i < kept.position.size(); ++i) {
        if (type == ProbType::f16) {
          std::uint16_t half = 0;
          std::memcpy(&half, kept.prob.data() + 2 * i, sizeof(half));
          stored[kept.position[i]] = f16_to_f32(half);
        } else {
          float value = 0;
          std::memcpy(&value, kept.prob.data() + 4 * i, sizeof(value));
          stored[kept.position[i]] = value;
        }
      }
      const double excess = std::abs(std::accumulate(row.begin(), row.end(), 0.0) - 1.0);  // rounding of the row
      for (int set = 0; set < 20; ++set) {
        double stored_mass = 0, mass = 0;
        for (std::size_t i = 0; i < row.size(); ++i) {
          if (random() % 2 == 0) continue;
          stored_mass += stored[i];
          mass += static_cast<double>(row[i]);
        }
        EXPECT_LE(stored_mass, mass);
        EXPECT_LE(mass, stored_mass + static_cast<double>(kept.residual) + excess);
      }
    }
  }
}

TEST(SelectCovering, appends_after_what_is_there_and_breaks_ties_by_position) {
  std::vector<std::uint32_t> position = {9};
  std::vector<std::byte> prob(4);
  RowScratch scratch;
  const float residual = select_covering(std::vector<float>(4, 0.25F), 0.3, ProbType::f32, position, prob, scratch);
  EXPECT_EQ(position, (std::vector<std::uint32_t>{9, 0, 1, 2}));
  EXPECT_EQ(prob.size(), 16U);
  EXPECT_EQ(residual, 0.25F);
}

TEST(SelectCovering, epsilon_zero_stores_every_position) {
  std::vector<float> row(100, 0.0F);
  row[10] = 1.0F;
  std::vector<std::uint32_t> position;
  std::vector<std::byte> prob;
  RowScratch scratch;
  EXPECT_EQ(select_covering(row, 0.0, ProbType::f16, position, prob, scratch), 0.0F);
  EXPECT_EQ(position.size(), 100U);
  EXPECT_EQ(prob.size(), 200U);
}

}  // namespace
}  // namespace kvwave::kernels
