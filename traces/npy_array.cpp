#include "traces/npy_array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "traces/error.h"
#include "traces/half_float.h"

namespace kvwave::traces {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostExtents = 8;
static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in memory");

// The text after `key` and its colon in the header's dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) throw BadArrayFile(fmt::format("the header has no '{}'", key));
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::vector<std::uint64_t> shape_of(std::string_view text) {
  std::vector<std::uint64_t> shape;
  if (!text.starts_with('(')) throw BadArrayFile("the header's shape is no tuple");
  text.remove_prefix(1);
  while (!text.starts_with(')')) {
    std::uint64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || shape.size() >= kMostExtents) {
      throw BadArrayFile(fmt::format("the header's shape is no tuple of at most {} integers", kMostExtents));
    }
    shape.push_back(extent);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    while (text.starts_with(',') || text.starts_with(' ')) text.remove_prefix(1);
  }
  return shape;
}

struct Layout {
  std::size_t data = 0;  // first byte of the array
  std::string_view header;
};

Layout layout_of(std::string_view bytes) {
  if (!is_npy(bytes)) throw BadArrayFile("is no .npy array: it does not begin with \\x93NUMPY");
  const std::size_t fixed = kMagic.size() + 2;
  if (bytes.size() < fixed + 4) throw BadArrayFile("ends inside its header");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const std::size_t major = byte(kMagic.size());
  if (major < 1 || major > 3) throw BadArrayFile(fmt::format(".npy version {}, expected 1 to 3", major));
  std::size_t length = byte(fixed) | byte(fixed + 1) << 8U;
  std::size_t start = fixed + 2;
  if (major > 1) {
    length |= byte(fixed + 2) << 16U | byte(fixed + 3) << 24U;
    start = fixed + 4;
  }
  if (length > bytes.size() - start) throw BadArrayFile("ends inside its header");
  return {start + length, bytes.substr(start, length)};
}

NpyType type_of(std::string_view text) {
  for (const NpyType type : {NpyType::f2, NpyType::f4, NpyType::f8}) {
    if (text.starts_with(fmt::format("'{}'", to_string(type)))) return type;
  }
  const std::size_t end = text.starts_with('\'') ? text.find('\'', 1) : std::string_view::npos;
  std::string given(end == std::string_view::npos || end > 12 ? "something else" : text.substr(1, end - 1));
  for (char& c : given) {
    if (c < ' ' || c > '~') c = '?';
  }
  throw BadArrayFile(fmt::format("expected values of type <f2, <f4 or <f8, got {}", given));
}

}  // namespace

std::size_t byte_size(NpyType type) {
  return std::size_t{2} << static_cast<unsigned>(type);
}

std::string_view to_string(NpyType type) {
  constexpr std::array<std::string_view, 3> kNames = {"<f2", "<f4", "<f8"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string shape_text(std::span<const std::uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

bool is_npy(std::string_view bytes) {
  return bytes.starts_with(kMagic);
}

NpyArray parse_npy(std::span<const std::byte> bytes) {
  const Layout layout = layout_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  NpyArray array;
  array.type = type_of(value_of(layout.header, "descr"));
  if (!value_of(layout.header, "fortran_order").starts_with("False")) {
    throw BadArrayFile("expected C order (fortran_order False)");
  }
  array.shape = shape_of(value_of(layout.header, "shape"));
  array.data = bytes.subspan(layout.data);
  const std::size_t value_bytes = byte_size(array.type);
  std::uint64_t left = array.data.size() / value_bytes;  // divided down, so that no product can overflow
  bool fits = array.data.size() % value_bytes == 0;
  for (const std::uint64_t extent : array.shape) {
    if (extent == 0) throw BadArrayFile(fmt::format("shape {} holds no value", shape_text(array.shape)));
    fits = fits && left % extent == 0;
    left /= extent;
  }
  if (!fits || left != 1) {
    throw BadArrayFile(fmt::format("shape {} of {} does not fill the {} bytes after the header",
                                   shape_text(array.shape), to_string(array.type), array.data.size()));
  }
  return array;
}

void npy_values(const NpyArray& array, std::uint64_t first, std::span<float> out) {
  const std::byte* at = array.data.data() + first * byte_size(array.type);
  switch (array.type) {
    case NpyType::f2: {
      std::array<std::uint16_t, 512> halves;  // aligned, which bytes of a file need not be
      for (std::size_t done = 0; done < out.size();) {
        const std::size_t n = std::min(halves.size(), out.size() - done);
        std::memcpy(halves.data(), at + 2 * done, 2 * n);
        widen_halves(halves.data(), n, out.data() + done);
        done += n;
      }
      return;
    }
    case NpyType::f4:
      std::memcpy(out.data(), at, out.size_bytes());
      return;
    case NpyType::f8:
      for (std::size_t i = 0; i < out.size(); ++i) {
        double value = 0;
        std::memcpy(&value, at + i * sizeof value, sizeof value);
        out[i] = static_cast<float>(value);
      }
  }
}

void npy_values(const NpyArray& array, std::uint64_t first, std::span<double> out) {
  if (array.type == NpyType::f8) {
    std::memcpy(out.data(), array.data.data() + first * sizeof(double), out.size_bytes());
    return;
  }
  std::vector<float> narrow(out.size());
  npy_values(array, first, narrow);
  std::copy(narrow.begin(), narrow.end(), out.begin());
}

std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const std::size_t before = kMagic.size() + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += '\1';
  bytes += '\0';
  bytes += static_cast<char>(header.size() & 0xFFU);
  bytes += static_cast<char>(header.size() >> 8U);
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

}  // namespace kvwave::traces
