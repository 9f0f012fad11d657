#include "kernels/half.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/kernels/simd_paths.h"

namespace kvwave::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::uint32_t bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

TEST(Half, known_values) {
  EXPECT_EQ(f16_to_f32(std::uint16_t{0x3c00}), 1.0F);
  EXPECT_EQ(f16_to_f32(std::uint16_t{0xc000}), -2.0F);
  EXPECT_EQ(f16_to_f32(std::uint16_t{0x7bff}), 65504.0F);
  EXPECT_EQ(f16_to_f32(std::uint16_t{0x0001}), 0x1p-24F);
  EXPECT_EQ(f16_to_f32(std::uint16_t{0x7c00}), kInfinity);
  EXPECT_EQ(bits(f16_to_f32(std::uint16_t{0x8000})), 0x80000000U);
  EXPECT_EQ(bf16_to_f32(0x3f80), 1.0F);
  EXPECT_EQ(bf16_to_f32(0xc040), -3.0F);
}

TEST(Half, every_half_survives_the_way_through_float) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto half = static_cast<std::uint16_t>(h);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
      continue;
    }
    ASSERT_EQ(f32_to_f16(value), half) << h;
    ASSERT_EQ(f32_to_f16_toward_zero(value), half) << h;
  }
}

TEST(Half, rounds_to_the_nearest_half_and_ties_to_even) {
  // The middle between each pair of neighbours, and the floats just beside it; up to the largest finite half.
  for (std::uint16_t h = 0; h < 0x7bff; ++h) {
    const auto next = static_cast<std::uint16_t>(h + 1);
    const float low = f16_to_f32(h);
    const float high = f16_to_f32(next);
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(f32_to_f16(middle), h % 2 == 0 ? h : next);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0F)), h);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, kInfinity)), next);
    ASSERT_EQ(f32_to_f16_toward_zero(std::nextafter(high, 0.0F)), h);
  }
}

TEST(Half, overflow_goes_to_infinity_or_to_the_largest_finite) {
  EXPECT_EQ(f32_to_f16(65519.99F), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30F), 0xfc00);
  EXPECT_EQ(f32_to_f16_toward_zero(65520.0F), 0x7bff);
  EXPECT_EQ(f32_to_f16_toward_zero(-1e30F), 0xfbff);
  EXPECT_EQ(f32_to_f16_toward_zero(kInfinity), 0x7c00);
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::nanf("")))));
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16_toward_zero(std::nanf("")))));
}

TEST(Half, every_path_expands_all_halves_to_the_same_bits) {
  std::vector<std::uint16_t> in(0x10000 + 5);  // 5 more: a tail after the vectors of 8
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::uint16_t>(i * 40503);
  testing::for_each_simd_path([&] {
    std::vector<float> out(in.size());
    f16_to_f32(in, out);
    for (std::size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(bits(out[i]), bits(f16_to_f32(in[i]))) << "half " << in[i];
    }
  });
}

TEST(Half, every_path_rounds_random_floats_to_the_same_bits) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  std::vector<float> in(200003);
  for (float& value : in) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  for (std::size_t i = 0; i < in.size(); i += 2) {  // half of them near the range of halves
    in[i] = std::ldexp(in[i] > 0 ? 1.0F + static_cast<float>(i) * 1e-6F : -1.5F, static_cast<int>(random() % 48) - 28);
  }
  testing::for_each_simd_path([&] {
    std::vector<std::uint16_t> out(in.size());
    f32_to_f16(in, out);
    for (std::size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(out[i], f32_to_f16(in[i])) << "float bits " << bits(in[i]);
    }
  });
}

}  // namespace
}  // namespace kvwave::kernels
