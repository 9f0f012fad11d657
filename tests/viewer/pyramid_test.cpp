#include "viewer/model/pyramid.h"

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include <gtest/gtest.h>

namespace kvwave::viewer {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

Extremes brute_force(const Pyramid& grid, std::uint32_t r0, std::uint32_t r1, std::uint32_t c0, std::uint32_t c1) {
  Extremes found{kNaN, kNaN};
  for (std::uint32_t r = r0; r < std::min(r1, grid.rows()); ++r) {
    for (std::uint32_t c = c0; c < std::min(c1, grid.columns()); ++c) {
      const float value = grid.at(r, c);
      if (std::isnan(value)) continue;
      if (!(found.low <= value)) found.low = value;
      if (!(found.high >= value)) found.high = value;
    }
  }
  return found;
}

bool same(float a, float b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

TEST(Pyramid, extremes_of_any_region_equal_brute_force) {
  std::mt19937 generator(20260601);
  const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
  for (const std::uint32_t columns : {1U, 3U, 4U, 5U, 16U, 17U, 63U, 64U, 65U, 255U, 1000U}) {
    const std::uint32_t rows = 1 + random() % 7;
    std::vector<float> values(std::size_t{rows} * columns);
    std::normal_distribution<float> normal;
    for (float& value : values) value = random() % 5 == 0 ? kNaN : normal(generator);
    const Pyramid grid(rows, columns, values);
    for (int i = 0; i < 300; ++i) {
      const std::uint32_t r0 = random() % rows, r1 = r0 + random() % (rows + 2), c0 = random() % columns,
                          c1 = c0 + random() % (columns + 2);
      const Extremes found = grid.extremes(r0, r1, c0, c1), expected = brute_force(grid, r0, r1, c0, c1);
      ASSERT_TRUE(same(found.low, expected.low) && same(found.high, expected.high))
          << "seed 20260601, " << rows << " x " << columns << ", rows " << r0 << ".." << r1 << ", columns " << c0
          << ".." << c1;
    }
  }
}

TEST(Pyramid, a_region_without_values_has_none) {
  const Pyramid grid(2, 9, std::vector<float>(18, kNaN));
  EXPECT_TRUE(std::isnan(grid.extremes().low));
  EXPECT_TRUE(std::isnan(Pyramid().extremes().high));
}

TEST(Pyramid, rejects_values_that_do_not_fill_the_grid) {
  EXPECT_THROW(Pyramid(2, 3, std::vector<float>(5)), std::invalid_argument);
}

}  // namespace
}  // namespace kvwave::viewer
