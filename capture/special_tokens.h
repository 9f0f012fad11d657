// Finds tokens that are written out in a text, such as <|im_start|>.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/text_hash.h"

namespace kvwave::capture {

class SpecialTokens {
 public:
  /// `always`: matched in any text (user-defined tokens); the others only where special tokens are asked for.
  void add(std::string_view text, std::int32_t id, bool always);

  struct Match {
    std::size_t begin = 0, length = 0;
    std::int32_t id = -1;  ///< -1: none; begin is then the end of the text
  };
  /// The leftmost token at or after `from`; of those that begin there, the longest.
  Match find(std::string_view text, std::size_t from, bool special) const;

 private:
  struct Token {
    std::int32_t id = 0;
    bool always = false;
  };
  std::unordered_map<std::string, Token, TextHash, std::equal_to<>> tokens_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte: the lengths that occur, longest first
};

}  // namespace kvwave::capture
