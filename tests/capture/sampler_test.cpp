#include "capture/sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include <gtest/gtest.h>

namespace kvwave::capture {
namespace {

constexpr std::span<const std::int32_t> kNoneBanned{};

TEST(Sampler, greedy_takes_the_largest_logit_and_the_lower_id_of_equals) {
  Sampler sampler({}, kNoneBanned);
  EXPECT_EQ(sampler.choose(std::vector<float>{0.5F, 2.0F, 2.0F, -1.0F}, 0), 1);
  EXPECT_EQ(sampler.choose(std::vector<float>{-5.0F}, 3), 0);
}

TEST(Sampler, never_chooses_a_banned_id) {
  const std::vector<std::int32_t> banned = {2, 1};
  const std::vector<float> logits = {0.0F, 9.0F, 8.0F, 1.0F};
  EXPECT_EQ(Sampler({}, banned).choose(logits, 0), 3);
  Sampler sampling({.temperature = 2.0, .top_p = 1.0, .seed = 5}, banned);
  for (std::uint64_t step = 0; step < 200; ++step) {
    const std::int32_t id = sampling.choose(logits, step);
    EXPECT_TRUE(id == 0 || id == 3) << id;
  }
}

TEST(Sampler, says_minus_one_when_everything_is_banned) {
  const std::vector<std::int32_t> banned = {0, 1};
  EXPECT_EQ(Sampler({}, banned).choose(std::vector<float>{1.0F, 2.0F}, 0), -1);
  EXPECT_EQ(Sampler({.temperature = 1.0}, banned).choose(std::vector<float>{1.0F, 2.0F}, 0), -1);
}

TEST(Sampler, frequencies_follow_the_softmax_at_that_temperature) {
  const std::vector<float> logits = {1.0F, 0.0F, 2.0F, -1.0F};
  constexpr double kTemperature = 0.7;
  Sampler sampler({.temperature = kTemperature, .top_p = 1.0, .seed = 42}, kNoneBanned);
  constexpr int kSteps = 10000;
  std::vector<int> count(logits.size());
  for (std::uint64_t step = 0; step < kSteps; ++step) ++count[static_cast<std::size_t>(sampler.choose(logits, step))];
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) / kTemperature);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double expected = std::exp(static_cast<double>(logits[i]) / kTemperature) / total;
    EXPECT_NEAR(static_cast<double>(count[i]) / kSteps, expected, 5 * std::sqrt(expected / kSteps)) << i;
  }
}

TEST(Sampler, nucleus_is_the_smallest_set_of_largest_that_reaches_top_p) {
  // Shares 0.4, 0.3, 0.2, 0.1 in mixed order.
  const std::vector<float> logits = {std::log(0.2F), std::log(0.4F), std::log(0.1F), std::log(0.3F)};
  const auto seen = [&](double top_p) {
    Sampler sampler({.temperature = 1.0, .top_p = top_p, .seed = 1}, kNoneBanned);
    std::map<std::int32_t, int> ids;
    for (std::uint64_t step = 0; step < 2000; ++step) ++ids[sampler.choose(logits, step)];
    std::vector<std::int32_t> keys;
    for (const auto& [id, n] : ids) keys.push_back(id);
    return keys;
  };
  EXPECT_EQ(seen(0.3), (std::vector<std::int32_t>{1}));
  EXPECT_EQ(seen(0.69), (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(seen(0.71), (std::vector<std::int32_t>{0, 1, 3}));
  EXPECT_EQ(seen(1.0), (std::vector<std::int32_t>{0, 1, 2, 3}));
}

TEST(Sampler, nucleus_of_a_flat_distribution_prefers_lower_ids) {
  const std::vector<float> logits(1000, 0.25F);
  Sampler sampler({.temperature = 1.0, .top_p = 0.1, .seed = 9}, kNoneBanned);
  for (std::uint64_t step = 0; step < 500; ++step) EXPECT_LT(sampler.choose(logits, step), 101);
}

TEST(Sampler, nucleus_far_below_the_first_cut_is_found) {
  std::vector<float> logits(5000, -12.0F);  // one large value, then 4999 of e^-12 each: together 3 % of it
  logits[4000] = 0.0F;
  Sampler sampler({.temperature = 1.0, .top_p = 0.99, .seed = 3}, kNoneBanned);
  int others = 0;
  for (std::uint64_t step = 0; step < 2000; ++step) others += sampler.choose(logits, step) == 4000 ? 0 : 1;
  EXPECT_GT(others, 10);
  EXPECT_LT(others, 100);
}

TEST(Sampler, top_k_and_min_p_cut_before_the_draw) {
  // Shares 0.2, 0.4, 0.1, 0.3.
  const std::vector<float> logits = {std::log(0.2F), std::log(0.4F), std::log(0.1F), std::log(0.3F)};
  const auto seen = [&](const SamplingOptions& options) {
    Sampler sampler(options, kNoneBanned);
    std::map<std::int32_t, int> ids;
    for (std::uint64_t step = 0; step < 2000; ++step) ++ids[sampler.choose(logits, step)];
    std::vector<std::int32_t> keys;
    for (const auto& [id, n] : ids) keys.push_back(id);
    return keys;
  };
  EXPECT_EQ(seen({.temperature = 1, .top_k = 1}), (std::vector<std::int32_t>{1}));
  EXPECT_EQ(seen({.temperature = 1, .top_k = 2}), (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(seen({.temperature = 1, .min_p = 0.45}), (std::vector<std::int32_t>{0, 1, 3}));
  EXPECT_EQ(seen({.temperature = 1, .min_p = 1}), (std::vector<std::int32_t>{1}));
  EXPECT_EQ(seen({.temperature = 1, .top_p = 0.55, .top_k = 2}), (std::vector<std::int32_t>{1}))
      << "0.4 of the remaining 0.7 is more than 0.55";
}

TEST(Sampler, repetition_penalty_lowers_seen_tokens_only) {
  Sampler sampler({.repetition_penalty = 2.0}, kNoneBanned);
  const std::vector<float> logits = {3.0F, 2.0F, -1.0F};
  EXPECT_EQ(sampler.choose(logits, 0), 0);
  sampler.observe(0);
  EXPECT_EQ(sampler.choose(logits, 1), 1) << "3 / 2 is below 2";
  sampler.observe(1);
  sampler.observe(1);
  EXPECT_EQ(sampler.choose(logits, 2), 0) << "a token counts once";
  EXPECT_EQ(sampler.choose(std::vector<float>{-1.0F, -1.5F, -1.9F}, 3), 2) << "negative logits are multiplied";
}

TEST(Sampler, a_step_does_not_depend_on_the_steps_before_it) {
  const std::vector<float> logits = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F};
  Sampler all({.temperature = 1.0, .seed = 77}, kNoneBanned);
  std::int32_t last = -1;
  for (std::uint64_t step = 0; step <= 31; ++step) last = all.choose(logits, step);
  EXPECT_EQ(Sampler({.temperature = 1.0, .seed = 77}, kNoneBanned).choose(logits, 31), last);
}

TEST(Sampler, random_numbers_are_fixed_by_seed_and_step) {
  // Pinned: recorded traces are repeated by seed, so the generator must never change.
  EXPECT_EQ(uniform_at(0, 0), 0x1.4e0dba5e9a32fp-1);
  EXPECT_EQ(uniform_at(0, 1), 0x1.6705460be8829p-1);
  EXPECT_EQ(uniform_at(7, 0), 0x1.7169852efd579p-1);
  EXPECT_EQ(uniform_at(7, 1000), 0x1.b0c2c13652b7dp-1);
  double sum = 0;
  for (std::uint64_t step = 0; step < 10000; ++step) {
    const double u = uniform_at(123, step);
    EXPECT_GE(u, 0.0);
    EXPECT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(LogProbability, is_the_fp64_log_softmax) {
  std::vector<float> logits(49152);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i)) * 12.0F;
  logits[77] = 31.0F;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  for (const std::int32_t id : {0, 77, 49151}) {
    EXPECT_NEAR(log_probability(logits, id), static_cast<double>(logits[static_cast<std::size_t>(id)]) - std::log(sum),
                1e-6)
        << id;
  }
}

TEST(LogProbability, is_zero_for_a_certain_token) {
  EXPECT_EQ(log_probability(std::vector<float>{1000.0F, 0.0F, -1000.0F}, 0), 0.0);
  EXPECT_EQ(log_probability(std::vector<float>{1000.0F, 0.0F, -1000.0F}, 2), -2000.0);
}

}  // namespace
}  // namespace kvwave::capture
