#include "replay/wrapped_text.h"

namespace kvwave::replay {

std::string wrapped(std::string_view text, std::size_t first_room, std::size_t indent) {
  std::string lines;
  std::size_t room = first_room;
  while (text.size() > room) {
    std::size_t cut = text.rfind(' ', room);
    if (cut == std::string_view::npos || cut == 0) cut = room;
    lines.append(text.substr(0, cut)).append(1, '\n').append(indent, ' ');
    text.remove_prefix(text[cut] == ' ' ? cut + 1 : cut);
    room = kTerminalColumns - indent;
  }
  return lines.append(text);
}

std::string last_cell(std::string_view text) {
  return text.empty() ? std::string() : std::string(1, ' ').append(text);
}

}  // namespace kvwave::replay
