// UTF-8 as the Unicode standard defines it (no surrogates, no overlong forms, nothing above U+10FFFF).
#pragma once

#include <cstddef>
#include <string_view>

namespace kvwave::capture {

enum class Utf8State { complete, incomplete, invalid };

/// What stands at the front of a text.
struct Utf8Front {
  Utf8State state = Utf8State::complete;
  std::size_t length = 0;  ///< complete: of the character; incomplete: of the whole text, which more bytes may
                           ///< complete; invalid: of the longest beginning of a character that went wrong, at least 1
};
/// text must not be empty.
Utf8Front utf8_front(std::string_view text);

/// Length of the longest beginning that is valid UTF-8.
std::size_t valid_utf8_prefix(std::string_view text);
/// Length of the longest beginning in which no character starts.
std::size_t invalid_utf8_prefix(std::string_view text);

}  // namespace kvwave::capture
