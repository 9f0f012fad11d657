// Pictures read back and compared by what they show, not by their bytes: another version of a rasteriser may place an
// edge a hair elsewhere, but no curve, title or colour bar may be missing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace kvwave::viewer {

/// [height, width, 3], first row on top.
struct Picture {
  std::vector<std::uint8_t> rgb = {};
  int width = 0, height = 0;

  const std::uint8_t* at(int x, int y) const {
    return rgb.data() +
           (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3;
  }
  std::uint8_t* at(int x, int y) { return const_cast<std::uint8_t*>(std::as_const(*this).at(x, y)); }
  /// Share of a region's pixels, in shares of the picture, that are not its most frequent colour: what is drawn there.
  double ink(double x0, double y0, double x1, double y1) const;
  /// A region in pixels filled with one grey.
  void wipe(int x0, int y0, int x1, int y1, std::uint8_t grey);
};

/// A PNG as encode_png() writes it. Throws std::runtime_error for any other.
Picture decode_png(const std::string& bytes);
Picture read_png(const std::filesystem::path& path);

/// Blocks whose mean colour or amount of edges differ by more than another rasteriser may change.
struct Difference {
  int blocks = 0;                                                            ///< compared
  int other = 0;                                                             ///< of them, those that differ
  std::string where;                                                         ///< the first few, in pixels
  bool same_picture() const { return blocks > 0 && other * 400 <= blocks; }  ///< up to 0.25 %
};
Difference difference(const Picture& x, const Picture& y);

}  // namespace kvwave::viewer
