// Text for a terminal of 100 columns.
#pragma once

#include <string>
#include <string_view>

namespace kvwave::replay {

inline constexpr std::size_t kTerminalColumns = 100;

/// `text`, broken at spaces; its first line has `first_room` columns, further ones are indented and end with the
/// terminal. A word that fits no line is cut, nothing of it is lost. No newline at the end.
std::string wrapped(std::string_view text, std::size_t first_room, std::size_t indent);

/// The last cell of a line, behind a space; nothing at all for an empty one, so that no line ends with a space.
std::string last_cell(std::string_view text);

}  // namespace kvwave::replay
