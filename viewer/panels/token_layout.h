// Where each token of the text stands: flowing words, broken at the width and at line ends. No drawing, so that it is
// laid out once and only the visible lines are drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kvwave::viewer {

struct TokenBox {
  float x = 0, width = 0;
  std::uint32_t line = 0;
};

struct TokenLayout {
  std::vector<TokenBox> boxes;            ///< [positions]
  std::vector<std::uint32_t> line_begin;  ///< first position of each line, then the number of positions
};

/// `width_of` gives a token's width in pixels; lines are at most `width` wide unless one token alone is wider.
TokenLayout lay_out_tokens(const std::vector<std::string>& pieces, std::uint32_t n, float width,
                           const std::function<float(const std::string&)>& width_of);

}  // namespace kvwave::viewer
