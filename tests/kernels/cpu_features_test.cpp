#include "kernels/cpu_features.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

TEST(SimdPath, has_the_words_of_the_environment_variable) {
  EXPECT_EQ(to_string(SimdPath::baseline), "baseline");
  EXPECT_EQ(to_string(SimdPath::avx2), "avx2");
  EXPECT_EQ(to_string(SimdPath::avx512), "avx512");
}

TEST(SimdPath, can_be_lowered_and_put_back) {
  const SimdPath before = simd_path();
  set_simd_path(SimdPath::baseline);
  EXPECT_EQ(simd_path(), SimdPath::baseline);
  set_simd_path(before);
  EXPECT_EQ(simd_path(), before);
}

TEST(SimdPath, never_exceeds_what_the_cpu_has) {
  EXPECT_LE(simd_path(), best_simd_path());
  if (best_simd_path() == SimdPath::avx512) GTEST_SKIP() << "this CPU has every path";
  EXPECT_THROW(set_simd_path(SimdPath::avx512), Error);
}

}  // namespace
}  // namespace kvwave::kernels
