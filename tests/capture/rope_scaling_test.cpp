// Divisors and factors of rotary scaling beside published values.
#include "capture/rope_scaling.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace kvwave::capture {
namespace {

// What the GGUF files of these models hold as rope_freqs.weight.
TEST(RopeScaling, llama_3_divisors_are_those_of_the_published_models) {
  const RopeScaling one_b = llama3_scaling(64, 5e5, {.factor = 32});
  for (std::size_t i = 0; i < 15; ++i) EXPECT_EQ(one_b.divisor[i], 1.0F);
  EXPECT_NEAR(one_b.divisor[15], 1.6513F, 1e-4F);
  EXPECT_NEAR(one_b.divisor[16], 3.2923F, 1e-4F);
  EXPECT_NEAR(one_b.divisor[17], 9.6667F, 1e-4F);
  for (std::size_t i = 18; i < 32; ++i) EXPECT_EQ(one_b.divisor[i], 32.0F);
  const RopeScaling eight_b = llama3_scaling(128, 5e5, {.factor = 8});
  EXPECT_EQ(eight_b.divisor[28], 1.0F);
  const float between[] = {1.2075F, 1.5534F, 2.0263F, 2.6945F, 3.6843F, 5.2573F};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(eight_b.divisor[29 + i], between[i], 1e-4F);
  EXPECT_EQ(eight_b.divisor[35], 8.0F);
}

TEST(RopeScaling, yarn_goes_from_unchanged_to_divided_and_states_its_factor) {
  const RopeScaling yarn =
      yarn_scaling(128, 1e6, {.factor = 4, .original_context = 32768, .attention_factor = std::nullopt});
  EXPECT_EQ(yarn.divisor.front(), 1.0F);
  EXPECT_EQ(yarn.divisor.back(), 4.0F);
  EXPECT_TRUE(std::is_sorted(yarn.divisor.begin(), yarn.divisor.end()));
  EXPECT_NEAR(yarn.attention_factor, 0.1 * std::log(4.0) + 1, 1e-12);
  EXPECT_EQ(yarn_scaling(128, 1e6, {.factor = 4, .original_context = 32768, .attention_factor = 1.5}).attention_factor,
            1.5);
}

TEST(RopeScaling, a_factor_of_one_leaves_everything) {
  EXPECT_TRUE(linear_scaling(64, 1).divisor.empty());
  EXPECT_EQ(linear_scaling(64, 1).description, "{}");
  EXPECT_EQ(linear_scaling(64, 2).divisor, std::vector<float>(32, 2.0F));
}

}  // namespace
}  // namespace kvwave::capture
