#include "kernels/params.h"

#include <gtest/gtest.h>

namespace kvwave::kernels {
namespace {

TEST(Params, row_bytes_follow_the_blocks) {
  EXPECT_EQ(row_bytes(ParamType::f32, 3), 12U);
  EXPECT_EQ(row_bytes(ParamType::q4_1, 576), 360U);
  EXPECT_EQ(row_bytes(ParamType::q8_0, 576), 612U);
  EXPECT_EQ(row_bytes(ParamType::q6_k, 512), 420U);
  EXPECT_EQ(to_string(ParamType::q5_k), "Q5_K");
}

}  // namespace
}  // namespace kvwave::kernels
