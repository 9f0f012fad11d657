// Private to the answer check: pieces of the mathematical notation that answers are written in.
#pragma once

#include <cstddef>
#include <string_view>

namespace kvwave::capture::answer {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The end of the group whose opening brace stands at `open`, escaped braces not counted; npos when it does not end.
std::size_t group_end(std::string_view text, std::size_t open);

}  // namespace kvwave::capture::answer
