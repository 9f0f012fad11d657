#include "replay/npy_table.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "replay/error.h"

namespace kvwave::replay {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;
static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie in memory");

// The text after `key` and its colon in the header's dictionary.
std::string_view value_of(std::string_view header, std::string_view key) {
  const std::size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) throw BadTableFile(fmt::format("the header has no '{}'", key));
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::vector<std::uint64_t> shape_of(std::string_view text) {
  std::vector<std::uint64_t> shape;
  if (!text.starts_with('(')) throw BadTableFile("the header's shape is no tuple");
  text.remove_prefix(1);
  while (!text.starts_with(')')) {
    std::uint64_t extent = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || shape.size() > 3) throw BadTableFile("the header's shape is no tuple of integers");
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
  const std::size_t fixed = kMagic.size() + 2;
  if (bytes.size() < fixed + 4) throw BadTableFile("ends inside its header");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const std::size_t major = byte(kMagic.size());
  if (major < 1 || major > 3) throw BadTableFile(fmt::format(".npy version {}, expected 1 to 3", major));
  std::size_t length = byte(fixed) | byte(fixed + 1) << 8U;
  std::size_t start = fixed + 2;
  if (major > 1) {
    length |= byte(fixed + 2) << 16U | byte(fixed + 3) << 24U;
    start = fixed + 4;
  }
  if (length > bytes.size() - start) throw BadTableFile("ends inside its header");
  return {start + length, bytes.substr(start, length)};
}

template <class Real>
void copy_values(std::string_view bytes, std::vector<double>& out) {
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(Real)) {
    Real value;
    std::memcpy(&value, bytes.data() + i, sizeof(Real));
    if (!std::isfinite(value)) throw BadTableFile("holds a value that is not finite");
    out.push_back(value);
  }
}

}  // namespace

bool is_npy(std::string_view bytes) {
  return bytes.starts_with(kMagic);
}

alloc::HeadTable parse_npy(std::string_view bytes) {
  const Layout layout = layout_of(bytes);
  const std::string_view type = value_of(layout.header, "descr");
  const bool single = type.starts_with("'<f4'");
  if (!single && !type.starts_with("'<f8'")) throw BadTableFile("expected values of type <f4 or <f8");
  if (!value_of(layout.header, "fortran_order").starts_with("False")) {
    throw BadTableFile("expected C order (fortran_order False)");
  }
  std::vector<std::uint64_t> shape = shape_of(value_of(layout.header, "shape"));
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  const bool fits = shape.size() == 3 && shape[0] <= kMostTablePlanes && shape[1] <= kMostTableHeads &&
                    shape[2] <= kMostTableHeads && shape[0] * shape[1] * shape[2] > 0;
  if (!fits)
    throw BadTableFile("expected shape [planes, layers, heads] with planes up to 1024 and the rest up to 4096");
  const std::string_view data = bytes.substr(layout.data);
  const std::uint64_t expected = shape[0] * shape[1] * shape[2] * (single ? 4 : 8);
  if (data.size() != expected) {
    throw BadTableFile(fmt::format("shape [{}, {}, {}] needs {} bytes, the file holds {}", shape[0], shape[1], shape[2],
                                   expected, data.size()));
  }
  alloc::HeadTable table{static_cast<std::uint32_t>(shape[0]),
                         static_cast<std::uint32_t>(shape[1]),
                         static_cast<std::uint32_t>(shape[2]),
                         {}};
  if (single) {
    copy_values<float>(data, table.value);
  } else {
    copy_values<double>(data, table.value);
  }
  return table;
}

std::string npy_bytes(const alloc::HeadTable& table) {
  std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}, {}), }}",
                                   table.n_planes, table.n_layers, table.n_heads);
  const std::size_t before = kMagic.size() + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += '\1';
  bytes += '\0';
  bytes += static_cast<char>(header.size() & 0xFFU);
  bytes += static_cast<char>(header.size() >> 8U);
  bytes += header;
  for (const double value : table.value) {
    const auto single = static_cast<float>(value);
    bytes.append(reinterpret_cast<const char*>(&single), sizeof single);
  }
  return bytes;
}

}  // namespace kvwave::replay
