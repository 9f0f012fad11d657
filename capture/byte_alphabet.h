// GPT-2 vocabularies write bytes as printable characters: the visible ones of Latin-1 stand for themselves, the other
// 68 for U+0100 and up, in order. So every piece is readable text without spaces. (Radford et al. 2019, encoder.py)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvwave::capture {

/// The character of a byte, as UTF-8.
const std::string& byte_character(std::uint8_t byte);
/// Bytes written in the alphabet.
std::string to_alphabet(std::string_view bytes);
/// The bytes of a piece. Characters outside the alphabet, and bytes that are no UTF-8, stand for themselves.
std::string from_alphabet(std::string_view piece);

}  // namespace kvwave::capture
