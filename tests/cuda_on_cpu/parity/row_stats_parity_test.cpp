// Demand, masses and covering sets on the device equal the definitions, bit by bit.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/cuda_on_cpu/parity/parity_test.h"

namespace kvwave::testing {
namespace {

using kernels::ProbType;
using kernels::RowStats;

class RowStatsParity : public DeviceParity {
 protected:
  static std::vector<float> softmax_row(std::size_t n, std::uint32_t seed, float spread) {
    std::vector<float> row = normal(n, seed, spread);
    double sum = 0;
    for (float& p : row) sum += static_cast<double>(p = std::exp(p));
    for (float& p : row) p = static_cast<float>(static_cast<double>(p) / sum);
    return row;
  }

  static void expect_parity(const RowStatsCase& c, const std::string& what) {
    const RowStatsResult result = run_row_stats(c);
    std::vector<std::uint32_t> position;
    std::vector<std::byte> prob;
    for (std::size_t h = 0; h < c.rows.size(); ++h) {
      // What the kernel made of the chunks; the given row itself where they say nothing.
      const std::size_t n = c.rows[h].size();
      const std::span<const float> row{result.rows.data() + h * (n + 5), n};
      for (std::size_t i = 0; i < n; ++i) {
        const float bound = c.chunk_logit.empty() ? 0 : 2e-6F * c.rows[h][i];
        if (!std::isfinite(c.rows[h][i])) continue;
        ASSERT_NEAR(row[i], c.rows[h][i], bound) << what << ", row " << h << ", position " << i;
      }
      std::vector<std::uint32_t> demand(c.rho.size());
      RowStats stats;
      const auto n_invalid = kernels::row_stats_reference(row, c.rho, c.n_sink, c.n_recent, demand, stats);
      EXPECT_EQ(result.n_invalid[h], n_invalid) << what << ", row " << h;
      for (std::size_t i = 0; i < c.rho.size(); ++i) {
        EXPECT_EQ(result.demand[h * c.rho.size() + i], demand[i]) << what << ", row " << h << ", rho " << c.rho[i];
      }
      const std::size_t before = position.size();
      const float residual = kernels::select_covering_reference(row, c.epsilon, c.type, position, prob);
      EXPECT_EQ(result.count[h], position.size() - before) << what << ", row " << h;
      EXPECT_EQ(result.residual[h], residual) << what << ", row " << h;
      if (n_invalid != 0) {
        EXPECT_TRUE(std::isnan(result.stats[h].entropy) && std::isnan(result.stats[h].max_prob)) << what;
        continue;
      }
      const float entropy = std::max(stats.entropy, 0.0F);  // as RowAnalyser has it, of a row that sums to more than 1
      EXPECT_NEAR(result.stats[h].entropy, entropy, 1e-5F * entropy + 1e-7F) << what << ", row " << h;
      EXPECT_EQ(result.stats[h].sink_mass, stats.sink_mass) << what << ", row " << h;
      EXPECT_EQ(result.stats[h].recent_mass, stats.recent_mass) << what << ", row " << h;
      EXPECT_EQ(result.stats[h].max_prob, stats.max_prob) << what << ", row " << h;
    }
    EXPECT_EQ(result.position, position) << what;
    EXPECT_TRUE(result.prob == prob) << what << ": stored probabilities differ";
  }

  static inline const std::vector<double> kRho = {0.5, 0.8, 0.9, 0.93, 0.95, 0.99};
};

TEST_F(RowStatsParity, random_rows_of_many_lengths) {
  for (const std::size_t n : {1U, 2U, 31U, 256U, 257U, 1000U}) {
    for (const ProbType type : {ProbType::f16, ProbType::f32}) {
      RowStatsCase c;
      for (std::uint32_t h = 0; h < 3; ++h)
        c.rows.push_back(softmax_row(n, h + 1, 1.0F + 2.0F * static_cast<float>(h)));
      c.rho = kRho;
      c.type = type;
      expect_parity(c, "n = " + std::to_string(n));
    }
  }
}

TEST_F(RowStatsParity, ties_go_to_the_lower_position) {
  RowStatsCase c;
  c.rows.emplace_back(300, 1.0F / 300);
  std::vector<float> steps(300);
  for (std::size_t i = 0; i < 300; ++i) steps[i] = static_cast<float>(i % 3 + 1) / 600.0F;
  c.rows.push_back(steps);
  c.rho = kRho;
  for (const double epsilon : {0.0, 0.01, 0.5}) {
    c.epsilon = epsilon;
    expect_parity(c, "epsilon " + std::to_string(epsilon));
  }
}

TEST_F(RowStatsParity, more_heads_than_a_warp) {
  RowStatsCase c;
  for (std::uint32_t h = 0; h < 40; ++h) c.rows.push_back(softmax_row(90, h + 7, 3));
  c.rho = kRho;
  expect_parity(c, "40 heads");
}

TEST_F(RowStatsParity, chunks_are_brought_to_one_scale_first) {
  RowStatsCase c;
  for (std::uint32_t h = 0; h < 3; ++h) c.rows.push_back(softmax_row(300, h + 1, 2));
  c.rho = kRho;
  c.chunk_logit = {-20.0F, 7.5F, 30.0F};
  expect_parity(c, "three chunks");
}

TEST_F(RowStatsParity, extreme_rows) {
  RowStatsCase c;
  c.rows.assign(7, std::vector<float>(70, 0.0F));
  c.rows[0][69] = 1.0F;                                    // all mass on one position
  for (float& p : c.rows[1]) p = 1e-20F;                   // below the unit of exact sums
  for (float& p : c.rows[2]) p = 0.001F;                   // reaches no target
  c.rows[3][5] = std::numeric_limits<float>::quiet_NaN();  // no probabilities
  c.rows[4][6] = -0.5F;
  c.rows[4][7] = INFINITY;
  for (std::size_t i = 0; i < 70; ++i) c.rows[5][i] = std::ldexp(1.0F, -static_cast<int>(i) - 1);  // every octave
  c.rows[6][3] = 1.5F;  // rounding may exceed one
  c.rho = {1e-15, 0.5, 0.93, 1.0};
  for (const double epsilon : {0.0, 1e-2, 1e-6}) {
    c.epsilon = epsilon;
    expect_parity(c, "epsilon " + std::to_string(epsilon));
  }
}

TEST_F(RowStatsParity, as_many_rho_as_there_may_be) {
  RowStatsCase c;
  c.rows.push_back(softmax_row(500, 3, 2));
  for (int i = 1; i <= 15; ++i) c.rho.push_back(i / 15.0);
  expect_parity(c, "15 rho");
}

}  // namespace
}  // namespace kvwave::testing
