#include "capture/utf8.h"

namespace kvwave::capture {
namespace {

/// Length of the character a lead byte announces, and the range its second byte must lie in (Unicode, table 3-7).
struct Lead {
  std::size_t length = 0;  // 0: not a lead byte
  unsigned low = 0x80, high = 0xbf;
};

Lead lead_of(unsigned byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xc2) return {};
  if (byte < 0xe0) return {2};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {};
}

}  // namespace

Utf8Front utf8_front(std::string_view text) {
  const auto at = [text](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[i]); };
  const Lead lead = lead_of(at(0));
  if (lead.length == 0) return {Utf8State::invalid, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {Utf8State::incomplete, i};
    const unsigned low = i == 1 ? lead.low : 0x80;
    const unsigned high = i == 1 ? lead.high : 0xbf;
    if (at(i) < low || at(i) > high) return {Utf8State::invalid, i};
  }
  return {Utf8State::complete, lead.length};
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Utf8Front front = utf8_front(text.substr(length));
    if (front.state != Utf8State::complete) break;
    length += front.length;
  }
  return length;
}

std::size_t invalid_utf8_prefix(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && utf8_front(text.substr(length)).state != Utf8State::complete) ++length;
  return length;
}

}  // namespace kvwave::capture
