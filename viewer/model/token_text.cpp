#include "viewer/model/token_text.h"

#include <cstdint>

namespace kvwave::viewer {
namespace {

/// Bytes of the valid UTF-8 character at the front, 0 when there is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  const std::size_t n = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (n == 0 || n > text.size()) return 0;
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) || (first == 0xf0 && byte(1) < 0x90) ||
      (first == 0xf4 && byte(1) >= 0x90)) {
    return 0;
  }
  return n;
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t n = character_bytes(bytes);
    const char first = bytes.front();
    if (first == '\n') {
      out += "¶";
    } else if (first == '\t') {
      out += "»";
    } else if (n == 0 || (n == 1 && (first < 0x20 || first == 0x7f))) {
      if (first != '\r') out += "·";
    } else {
      out += bytes.substr(0, n);
    }
    bytes.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

bool ends_line(std::string_view bytes) {
  return bytes.find('\n') != std::string_view::npos;
}

}  // namespace kvwave::viewer
