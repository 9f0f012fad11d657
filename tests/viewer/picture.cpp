#include "tests/viewer/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <libdeflate.h>

namespace kvwave::viewer {
namespace {

constexpr int kBlock = 10;           // pixels a side
constexpr double kMostColour = 8;    // difference of a block's mean colour, of 255
constexpr double kMostEdges = 0.35;  // difference of a block's sum of edges, relative

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

std::vector<std::uint8_t> inflated(const std::string& data, std::size_t size) {
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflate(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  std::vector<std::uint8_t> out(size);
  std::size_t got = 0;
  if (libdeflate_zlib_decompress(inflate.get(), data.data(), data.size(), out.data(), size, &got) !=
          LIBDEFLATE_SUCCESS ||
      got != size) {
    throw std::runtime_error("PNG: pixels do not fill the picture");
  }
  return out;
}

// Filters 0 (none), 1 (left) and 2 (above), in place; lines keep their filter byte.
void unfilter(std::vector<std::uint8_t>& lines, std::size_t row, std::size_t channels) {
  for (std::size_t begin = 0; begin < lines.size(); begin += row + 1) {
    std::uint8_t* line = lines.data() + begin + 1;
    const std::uint8_t filter = lines[begin];
    if (filter > 2) throw std::runtime_error("PNG: a filter that this reader does not know");
    for (std::size_t i = 0; i < row; ++i) {
      if (filter == 1 && i >= channels) line[i] = static_cast<std::uint8_t>(line[i] + line[i - channels]);
      if (filter == 2 && begin > 0) line[i] = static_cast<std::uint8_t>(line[i] + line[i - row - 1]);
    }
  }
}

struct Block {
  std::array<double, 3> colour{};
  double edges = 0;
};

Block block_at(const Picture& picture, int left, int top) {
  Block block;
  const auto grey = [&](int x, int y) { return picture.at(x, y)[0] + picture.at(x, y)[1] + picture.at(x, y)[2]; };
  const int right = std::min(left + kBlock, picture.width), bottom = std::min(top + kBlock, picture.height);
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      for (std::size_t c = 0; c < 3; ++c) block.colour[c] += picture.at(x, y)[c];
      if (x + 1 < picture.width) block.edges += std::abs(grey(x + 1, y) - grey(x, y)) / 3.0;
      if (y + 1 < picture.height) block.edges += std::abs(grey(x, y + 1) - grey(x, y)) / 3.0;
    }
  }
  const double n = (right - left) * (bottom - top);
  for (double& channel : block.colour) channel /= n;
  block.edges /= n;
  return block;
}

bool differ(const Block& x, const Block& y) {
  for (std::size_t c = 0; c < 3; ++c) {
    if (std::abs(x.colour[c] - y.colour[c]) > kMostColour) return true;
  }
  constexpr double kFewEdges = 4;  // below it relative differences mean nothing
  return std::abs(x.edges - y.edges) > kMostEdges * std::max({x.edges, y.edges, kFewEdges});
}

}  // namespace

double Picture::ink(double x0, double y0, double x1, double y1) const {
  std::map<std::array<std::uint8_t, 3>, int> colours;
  int n = 0, most = 0;
  for (int y = static_cast<int>(y0 * height); y < static_cast<int>(y1 * height); ++y) {
    for (int x = static_cast<int>(x0 * width); x < static_cast<int>(x1 * width); ++x, ++n) {
      most = std::max(most, ++colours[{at(x, y)[0], at(x, y)[1], at(x, y)[2]}]);
    }
  }
  return 1 - static_cast<double>(most) / n;
}

void Picture::wipe(int x0, int y0, int x1, int y1, std::uint8_t grey) {
  for (int y = std::max(0, y0); y < std::min(height, y1); ++y) {
    for (int x = std::max(0, x0); x < std::min(width, x1); ++x) std::fill_n(at(x, y), 3, grey);
  }
}

Picture decode_png(const std::string& bytes) {
  if (bytes.size() < 33 || bytes.substr(1, 3) != "PNG") throw std::runtime_error("no PNG");
  Picture picture;
  std::string palette, data;
  int type = -1;
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t size = big_endian(bytes, at);
    const std::string name = bytes.substr(at + 4, 4), body = bytes.substr(at + 8, size);
    if (body.size() != size) throw std::runtime_error("PNG: a chunk is cut");
    if (libdeflate_crc32(0, bytes.data() + at + 4, size + 4) != big_endian(bytes, at + 8 + size))
      throw std::runtime_error("PNG: a checksum is wrong");
    if (name == "IHDR") {
      picture.width = static_cast<int>(big_endian(body, 0));
      picture.height = static_cast<int>(big_endian(body, 4));
      type = static_cast<unsigned char>(body.at(9));
      if (body.at(8) != 8 || (type != 2 && type != 3)) throw std::runtime_error("PNG: neither RGB nor palette");
    }
    if (name == "PLTE") palette = body;
    if (name == "IDAT") data += body;
    at += size + 12;
  }
  const auto width = static_cast<std::size_t>(picture.width), height = static_cast<std::size_t>(picture.height);
  const std::size_t channels = type == 2 ? 3 : 1, row = width * channels;
  std::vector<std::uint8_t> lines = inflated(data, (row + 1) * height);
  unfilter(lines, row, channels);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t i = 0; i < row; ++i) {
      const std::uint8_t value = lines[y * (row + 1) + 1 + i];
      if (type == 2) {
        picture.rgb.push_back(value);
      } else {
        for (std::size_t c = 0; c < 3; ++c)
          picture.rgb.push_back(static_cast<std::uint8_t>(palette.at(value * 3U + c)));
      }
    }
  }
  return picture;
}

Picture read_png(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return decode_png(text.str());
}

Difference difference(const Picture& x, const Picture& y) {
  Difference found;
  if (x.width != y.width || x.height != y.height) {
    return {1, 1, fmt::format("{} x {} and {} x {} pixels", x.width, x.height, y.width, y.height)};
  }
  for (int top = 0; top < x.height; top += kBlock) {
    for (int left = 0; left < x.width; left += kBlock, ++found.blocks) {
      if (!differ(block_at(x, left, top), block_at(y, left, top))) continue;
      if (++found.other <= 5) found.where += fmt::format("{}({}, {})", found.where.empty() ? "" : ", ", left, top);
    }
  }
  return found;
}

}  // namespace kvwave::viewer
