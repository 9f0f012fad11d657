#include "viewer/app/png_file.h"

#include <random>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "tests/viewer/picture.h"

namespace kvwave::viewer {
namespace {

std::vector<std::uint8_t> random_pixels(int width, int height, int n_colours) {
  std::mt19937 random(7);
  std::vector<std::uint8_t> colours(static_cast<std::size_t>(n_colours) * 3), rgb;
  for (std::uint8_t& channel : colours) channel = static_cast<std::uint8_t>(random());
  for (int i = 0; i < width * height; ++i) {
    const std::size_t colour =
        i < n_colours ? static_cast<std::size_t>(i) : random() % static_cast<unsigned>(n_colours);
    rgb.insert(rgb.end(), colours.begin() + static_cast<long>(colour * 3),
               colours.begin() + static_cast<long>(colour * 3 + 3));
  }
  return rgb;
}

TEST(PngFile, pictures_of_few_and_of_many_colours_come_back) {
  for (const int n_colours : {1, 2, 255, 256, 257, 4000}) {
    const std::vector<std::uint8_t> rgb = random_pixels(97, 53, n_colours);
    const std::string png = encode_png(rgb, 97, 53);
    const Picture back = decode_png(png);
    EXPECT_EQ(back.width, 97);
    EXPECT_EQ(back.height, 53);
    EXPECT_TRUE(back.rgb == rgb) << n_colours << " colours";
    EXPECT_EQ(png == encode_png(rgb, 97, 53), true) << "equal pixels, equal bytes";
    EXPECT_EQ(png.find("PLTE") != std::string::npos, n_colours <= 256);
  }
}

TEST(PngFile, refuses_pixels_that_do_not_fill_the_picture) {
  const std::vector<std::uint8_t> rgb(12);
  EXPECT_THROW(encode_png(rgb, 3, 2), std::invalid_argument);
  EXPECT_THROW(encode_png(rgb, 0, 0), std::invalid_argument);
  EXPECT_THROW(encode_png(rgb, -2, -2), std::invalid_argument);
}

}  // namespace
}  // namespace kvwave::viewer
