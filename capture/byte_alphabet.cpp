#include "capture/byte_alphabet.h"

#include <array>

#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

constexpr unsigned kFirstStandIn = 0x100;
constexpr unsigned kStandIns = 68;

bool stands_for_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

struct Alphabet {
  std::array<std::string, 256> character;
  std::array<std::uint8_t, kFirstStandIn + kStandIns> byte{};  // by code point
  std::array<bool, kFirstStandIn + kStandIns> used{};

  Alphabet() {
    unsigned next = kFirstStandIn;
    for (unsigned b = 0; b < 256; ++b) {
      const unsigned code = stands_for_itself(b) ? b : next++;
      character[b] =
          code < 0x80 ? std::string(1, static_cast<char>(code))
                      : std::string{static_cast<char>(0xc0U | (code >> 6)), static_cast<char>(0x80U | (code & 0x3fU))};
      byte[code] = static_cast<std::uint8_t>(b);
      used[code] = true;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

const std::string& byte_character(std::uint8_t byte) {
  return alphabet().character[byte];
}

std::string to_alphabet(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += byte_character(static_cast<std::uint8_t>(c));
  return text;
}

std::string from_alphabet(std::string_view piece) {
  const Alphabet& a = alphabet();
  std::string bytes;
  while (!piece.empty()) {
    const std::size_t length = utf8_front(piece).length;
    unsigned code = static_cast<unsigned char>(piece[0]);
    if (length == 2) code = ((code & 0x1fU) << 6) | (static_cast<unsigned char>(piece[1]) & 0x3fU);
    if (length <= 2 && code < a.used.size() && a.used[code]) {
      bytes += static_cast<char>(a.byte[code]);
    } else {
      bytes += piece.substr(0, length);
    }
    piece.remove_prefix(length);
  }
  return bytes;
}

}  // namespace kvwave::capture
