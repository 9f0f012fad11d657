#include "capture/printable.h"

#include <cstddef>

#include <fmt/format.h>

namespace kvwave::capture {

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 32 || byte > 126 ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  out += text.size() > kLongest ? "...'" : "'";
  return out;
}

}  // namespace kvwave::capture
