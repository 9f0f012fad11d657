#include "viewer/model/heat_raster.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "viewer/model/colour_map.h"

namespace kvwave::viewer {
namespace {

Heatmap map_of(std::uint32_t rows, std::uint32_t columns, std::vector<float> values) {
  Heatmap map;
  map.values = std::make_shared<Pyramid>(rows, columns, std::move(values));
  return map;
}

ViewRect whole(const Heatmap& map) {
  return {-0.5, map.values->columns() - 0.5, map.values->rows() - 0.5, -0.5};
}

TEST(HeatRaster, one_spike_among_millions_is_seen_at_any_zoom) {
  constexpr std::uint32_t kRows = 300, kColumns = 7001;
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    std::vector<float> values(std::size_t{kRows} * kColumns, 0.0F);
    const std::uint32_t row = static_cast<std::uint32_t>(random() % kRows),
                        column = static_cast<std::uint32_t>(random() % kColumns);
    values[std::size_t{row} * kColumns + column] = 1;
    const Heatmap map = map_of(kRows, kColumns, std::move(values));
    ViewRect view = whole(map);
    for (int zoom = 0; zoom < 8; ++zoom) {
      const std::vector<std::uint32_t> pixels = rasterise(map, view, 211, 97);
      const auto spike = pack(map_colour(ColourMap::sequential, 1));
      EXPECT_GT(std::count(pixels.begin(), pixels.end(), spike), 0)
          << "row " << row << ", column " << column << ", zoom " << zoom;
      // Half way towards the spike.
      view = {(view.left + column) / 2, (view.right + column) / 2, (view.top + row) / 2, (view.bottom + row) / 2};
    }
  }
}

TEST(HeatRaster, a_pixel_for_each_cell_shows_exactly_that_cell) {
  std::vector<float> values = {0.0F, 0.25F, 0.5F, 0.75F, 1.0F, std::numeric_limits<float>::quiet_NaN()};
  const Heatmap map = map_of(2, 3, values);
  const std::vector<std::uint32_t> pixels = rasterise(map, whole(map), 3, 2);
  for (std::uint32_t r = 0; r < 2; ++r) {
    for (std::uint32_t c = 0; c < 3; ++c) {
      const float value = values[r * 3 + c];
      const std::uint32_t expected =
          std::isnan(value) ? 0U : colour_table(ColourMap::sequential)[static_cast<std::size_t>(value * 255.0F + 0.5F)];
      EXPECT_EQ(pixels[(1 - r) * 3 + c], expected) << "row " << r << ", column " << c;  // row 0 is at the bottom
    }
  }
}

TEST(HeatRaster, outside_the_grid_is_transparent) {
  const Heatmap map = map_of(1, 1, {1.0F});
  const auto pixels = rasterise(map, {-10.5, 9.5, 9.5, -10.5}, 20, 20);
  EXPECT_EQ(std::count_if(pixels.begin(), pixels.end(), [](std::uint32_t p) { return p != 0; }), 1);
}

TEST(HeatRaster, the_worst_case_wins_where_low_is_bad) {
  Heatmap map = map_of(1, 8, {1, 1, 1, 0.2F, 1, 1, 1, 1});
  map.pool = Pool::minimum;
  const auto pixels = rasterise(map, whole(map), 1, 1);
  EXPECT_EQ(pixels[0], colour_table(ColourMap::sequential)[static_cast<std::size_t>(0.2F * 255.0F + 0.5F)]);
}

TEST(ColourMap, brightness_rises_along_the_sequential_map) {
  double before = -1;
  for (const float t : {0.0F, 0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F, 0.9F, 1.0F}) {
    const double now = luminance(map_colour(ColourMap::sequential, t));
    EXPECT_GT(now, before) << "at " << t;
    before = now;
  }
}

TEST(ColourMap, zero_of_a_difference_is_white_and_both_sides_darken) {
  EXPECT_EQ(map_colour(ColourMap::diverging, 0.5F), (Rgb{255, 255, 255}));
  for (float t = 0; t < 0.5F; t += 0.1F) {
    EXPECT_LT(luminance(map_colour(ColourMap::diverging, t)), luminance(map_colour(ColourMap::diverging, t + 0.1F)));
    EXPECT_LT(luminance(map_colour(ColourMap::diverging, 1 - t)),
              luminance(map_colour(ColourMap::diverging, 0.9F - t)));
  }
}

}  // namespace
}  // namespace kvwave::viewer
