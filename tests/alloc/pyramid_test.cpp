#include <gtest/gtest.h>

#include "tests/alloc/make_component.h"

namespace kvwave::alloc {
namespace {

LayerPlan plan_pyramid(const std::string& text, std::uint32_t layers, std::uint32_t window, std::uint32_t budget,
                       std::uint32_t kv_heads = 1) {
  return allocator(text)->layer_plan(
      {.n_layers = layers, .n_kv_heads = kv_heads, .budget = budget, .window = window, .demand = {}});
}

// Values of the official arithmetic for prompts long enough that its clamps do not act.
TEST(PyramidUpstream, matches_the_golden_vectors) {
  struct Golden {
    std::uint32_t layers, window, budget;
    std::int32_t first, second, last;  // candidates per KV head, window not included
    std::int64_t sum, overshoot;
  };
  for (const Golden& g : {Golden{32, 8, 128, 234, 227, 17, 4016, 176}, Golden{32, 8, 1024, 1982, 1920, 60, 32672, 160},
                          Golden{32, 32, 2048, 3932, 3809, 119, 64816, 304},
                          Golden{48, 8, 512, 983, 963, 43, 24624, 432}, Golden{28, 8, 512, 983, 948, 38, 14294, 182}}) {
    const LayerPlan p = plan_pyramid("pyramid:total=upstream", g.layers, g.window, g.budget);
    const auto w = static_cast<std::int32_t>(g.window);
    EXPECT_EQ(p.budget.front() - w, g.first);
    EXPECT_EQ(p.budget[1] - w, g.second);
    EXPECT_EQ(p.budget.back() - w, g.last);
    EXPECT_EQ(p.realised - std::int64_t{w} * g.layers, g.sum);
    EXPECT_EQ(p.realised - p.nominal, g.overshoot);
  }
}

LayerPlan plan_for_prompt(const std::string& text, std::uint32_t layers, std::uint32_t window, std::uint32_t budget,
                          std::uint32_t n_prompt) {
  LayerPlanInput input;
  input.n_layers = layers;
  input.n_kv_heads = 1;
  input.budget = budget;
  input.window = window;
  input.n_prompt = n_prompt;
  return allocator(text)->layer_plan(input);
}

TEST(PyramidUpstream, clamps_for_short_prompts_when_told) {
  const LayerPlan clamped = plan_for_prompt("pyramid:total=upstream,length=prompt", 32, 8, 128, 240);
  EXPECT_EQ(clamped.budget.front() - 8, 232);
  EXPECT_EQ(clamped.budget.back() - 8, 15);
  EXPECT_EQ(clamped.realised - 32 * 8, 3952);
  // T0 < 2 C is uniform, and below the budget nothing is dropped anyway.
  for (const std::uint32_t prompt : {200U, 100U}) {
    EXPECT_EQ(plan_for_prompt("pyramid:total=upstream,length=prompt", 32, 8, 128, prompt).budget,
              std::vector<std::int32_t>(32, 128));
  }
  EXPECT_EQ(plan_for_prompt("pyramid:total=upstream", 32, 8, 128, 200).budget.front() - 8, 234);
  EXPECT_EQ(plan_for_prompt("pyramid:total=upstream,length=prompt", 32, 8, 128, 8000).budget,
            plan_pyramid("pyramid:total=upstream", 32, 8, 128).budget);
}

TEST(PyramidKvpress, matches_the_golden_vectors) {
  const LayerPlan p = plan_for_prompt("pyramid:total=kvpress,length=prompt", 32, 64, 2000, 8000);
  EXPECT_EQ(p.budget[0], 3900);
  EXPECT_EQ(p.budget[15], 2061);
  EXPECT_EQ(p.budget[31], 100);
  EXPECT_EQ(p.realised, 64000);
  // 800 / 20 is below the window of 64: uniform.
  EXPECT_EQ(plan_for_prompt("pyramid:total=kvpress", 32, 64, 800, 8000).budget, std::vector<std::int32_t>(32, 800));
}

TEST(PyramidExact, is_clamped_like_the_code_when_told) {
  const LayerPlan p = plan_for_prompt("pyramid:length=prompt", 32, 8, 128, 200);
  EXPECT_EQ(p.realised, p.nominal);
  EXPECT_LE(p.budget.front() - 8, 192);
  EXPECT_GT(p.budget.front(), p.budget.back());
}

TEST(PyramidExact, holds_the_total_falls_with_depth_and_leaves_every_head_one_candidate) {
  for (const std::uint32_t layers : {1U, 2U, 3U, 28U, 30U, 32U, 48U, 97U}) {
    for (const std::uint32_t budget : {9U, 10U, 16U, 64U, 128U, 257U, 1024U}) {
      for (const std::string beta : {"1", "2", "20", "10000"}) {
        const LayerPlan p = plan_pyramid("pyramid:beta=" + beta, layers, 8, budget, 3);
        SCOPED_TRACE(testing::Message() << layers << " layers, budget " << budget << ", beta " << beta);
        EXPECT_EQ(sum(p.budget), std::int64_t{budget} * layers * 3);
        EXPECT_EQ(p.realised, p.nominal);
        for (std::size_t l = 0; l < layers; ++l) {
          EXPECT_GE(p.budget[l], 9 * 3);
          EXPECT_EQ(p.budget[l] % 3, 0) << "heads of a layer are equal";
          if (l > 0) {
            EXPECT_LE(p.budget[l], p.budget[l - 1]);
          }
        }
      }
    }
  }
}

TEST(PyramidExact, follows_the_real_line_within_one_entry) {
  const LayerPlan p = plan_pyramid("pyramid", 32, 8, 128);
  for (std::size_t l = 0; l < 32; ++l) {
    const double line = 234 - static_cast<double>(l) * (234.0 - 6.0) / 31.0;
    EXPECT_NEAR(p.budget[l] - 8, line, 1.0);
  }
}

TEST(PyramidExact, with_beta_1_is_uniform) {
  EXPECT_EQ(plan_pyramid("pyramid:beta=1", 30, 8, 64, 3).budget, plan_pyramid("uniform", 30, 8, 64, 3).budget);
}

}  // namespace
}  // namespace kvwave::alloc
