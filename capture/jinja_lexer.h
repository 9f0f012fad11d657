// Cuts a Jinja template into text and tags, and tags into tokens. White space goes where transformers' environment
// drops it: trim_blocks and lstrip_blocks are on, "-" and "+" marks count, one line break at the end goes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::capture::jinja {

enum class TokenKind {
  text,         ///< to be written as it is
  begin_write,  ///< {{
  end_write,    ///< }}
  begin_block,  ///< {%
  end_block,    ///< %}
  name,
  integer,
  real,
  string,  ///< without quotes, escapes resolved
  sign,    ///< operator or bracket
  end,     ///< of the template
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;
};

/// Throws UnsupportedTemplate naming the line: a tag or string that does not end, a character with no meaning.
std::vector<Token> tokenise(std::string_view source);

}  // namespace kvwave::capture::jinja
