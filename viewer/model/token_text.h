// Tokens as people read them.
#pragma once

#include <string>
#include <string_view>

namespace kvwave::viewer {

/// The bytes of a token as valid UTF-8 without control characters: line ends become "¶", tabs "»", other control
/// characters and broken bytes "·".
std::string printable(std::string_view bytes);

/// True when a line ends with this token.
bool ends_line(std::string_view bytes);

}  // namespace kvwave::viewer
