#include "viewer/panels/plot_labels.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace kvwave::viewer {
namespace {

TEST(PlotLabels, stay_where_they_want_to_be_when_there_is_room) {
  EXPECT_EQ(spread_labels({20, 60, 100}, 14, 0, 200), (std::vector<float>{20, 60, 100}));
}

TEST(PlotLabels, equal_ends_fan_out_around_their_place) {
  EXPECT_EQ(spread_labels({100, 100, 100}, 14, 0, 200), (std::vector<float>{86, 100, 114}));
}

TEST(PlotLabels, stay_inside_and_apart_for_random_ends) {
  constexpr unsigned kSeed = 3;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> wanted(1 + random() % 12);
    for (float& y : wanted) y = static_cast<float>(random() % 200);
    std::sort(wanted.begin(), wanted.end());
    const std::vector<float> at = spread_labels(wanted, 14, 0, 200);
    ASSERT_EQ(at.size(), wanted.size());
    for (std::size_t i = 0; i < at.size(); ++i) {
      EXPECT_GE(at[i], 7 - 0.01F) << "seed " << kSeed << ", round " << round;
      EXPECT_LE(at[i], 193 + 0.01F) << "seed " << kSeed << ", round " << round;
      if (i > 0) {
        EXPECT_GE(at[i] - at[i - 1], 14 - 0.01F) << "seed " << kSeed << ", round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace kvwave::viewer
