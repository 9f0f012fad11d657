#include "viewer/app/png_file.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <libdeflate.h>

#include "traces/output_file.h"

namespace kvwave::viewer {
namespace {

constexpr int kLevel = 6;  // above it files shrink by a per cent and take twice as long

using Bytes = std::vector<std::uint8_t>;

void append_big_endian(std::string& out, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(value >> shift & 255));
}

void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append_big_endian(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  out.append(type).append(data);
  append_big_endian(out, libdeflate_crc32(0, out.data() + begin, out.size() - begin));
}

std::string compressed(const Bytes& lines) {
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> deflate(
      libdeflate_alloc_compressor(kLevel), libdeflate_free_compressor);
  if (!deflate) throw std::bad_alloc();
  std::string out(libdeflate_zlib_compress_bound(deflate.get(), lines.size()), '\0');
  out.resize(libdeflate_zlib_compress(deflate.get(), lines.data(), lines.size(), out.data(), out.size()));
  return out;
}

/// The picture in at most 256 colours, when it has no more.
struct Indexed {
  std::string palette;  // R, G, B of each colour, in the order of their first pixel
  Bytes lines;          // filter byte 0 and one index a pixel
};

bool make_indexed(std::span<const std::uint8_t> rgb, std::size_t width, std::size_t height, Indexed& out) {
  std::unordered_map<std::uint32_t, std::uint8_t> index;
  out.lines.reserve((width + 1) * height);
  std::uint32_t last = ~0U;
  std::uint8_t last_index = 0;
  for (std::size_t i = 0; i < width * height; ++i) {
    if (i % width == 0) out.lines.push_back(0);
    const std::uint32_t colour = rgb[i * 3] | rgb[i * 3 + 1] << 8 | rgb[i * 3 + 2] << 16;
    if (colour != last) {
      const auto [found, added] = index.try_emplace(colour, static_cast<std::uint8_t>(index.size()));
      if (added && index.size() > 256) return false;
      if (added) out.palette.append(reinterpret_cast<const char*>(rgb.data() + i * 3), 3);
      last = colour;
      last_index = found->second;
    }
    out.lines.push_back(last_index);
  }
  return true;
}

// Filter "up" leaves zeros wherever a line repeats the one above, as plots and text mostly do; "sub" does so where
// colours run along the line. Per line, the one with the smaller sum of differences.
Bytes filtered(std::span<const std::uint8_t> rgb, std::size_t width, std::size_t height) {
  const std::size_t row = width * 3;
  Bytes lines, up(row), sub(row);
  const Bytes above_first(row, 0);
  lines.reserve((row + 1) * height);
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint8_t* line = rgb.data() + y * row;
    const std::uint8_t* above = y > 0 ? line - row : above_first.data();
    std::uint64_t up_cost = 0, sub_cost = 0;
    const auto cost = [](std::uint8_t difference) { return std::min<unsigned>(difference, 256U - difference); };
    for (std::size_t i = 0; i < row; ++i) {
      up[i] = static_cast<std::uint8_t>(line[i] - above[i]);
      sub[i] = static_cast<std::uint8_t>(line[i] - (i < 3 ? 0 : line[i - 3]));
      up_cost += cost(up[i]);
      sub_cost += cost(sub[i]);
    }
    const bool with_up = up_cost <= sub_cost;
    lines.push_back(with_up ? 2 : 1);
    lines.insert(lines.end(), with_up ? up.begin() : sub.begin(), with_up ? up.end() : sub.end());
  }
  return lines;
}

}  // namespace

std::string encode_png(std::span<const std::uint8_t> rgb, int width, int height) {
  if (width < 1 || height < 1 || rgb.size() != static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3) {
    throw std::invalid_argument("encode_png: pixels do not fill width x height");
  }
  const auto w = static_cast<std::size_t>(width), h = static_cast<std::size_t>(height);
  Indexed indexed;
  const bool few = make_indexed(rgb, w, h, indexed);
  std::string out("\x89PNG\r\n\x1a\n"), header;
  append_big_endian(header, static_cast<std::uint32_t>(width));
  append_big_endian(header, static_cast<std::uint32_t>(height));
  header += {8, static_cast<char>(few ? 3 : 2), 0, 0, 0};  // bits, colour type, deflate, adaptive filters, no interlace
  append_chunk(out, "IHDR", header);
  if (few) append_chunk(out, "PLTE", indexed.palette);
  append_chunk(out, "IDAT", compressed(few ? indexed.lines : filtered(rgb, w, h)));
  append_chunk(out, "IEND", "");
  return out;
}

void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> rgb, int width, int height,
               bool overwrite) {
  traces::write_text_file(path, encode_png(rgb, width, height), overwrite);
}

}  // namespace kvwave::viewer
