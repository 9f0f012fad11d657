// Finds tokens that are written out in a text, such as <|im_start|>.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::capture {

class SpecialTokens {
 public:
  /// `always`: matched in any text (user-defined tokens); the others only where special tokens are asked for.
  void add(std::string text, std::int32_t id, bool always);

  struct Match {
    std::size_t begin = 0, length = 0;
    std::int32_t id = -1;  ///< -1: none; begin is then the end of the text
  };
  /// The leftmost token at or after `from`; of those that begin there, the longest.
  Match find(std::string_view text, std::size_t from, bool special) const;

 private:
  struct Token {
    std::string text;
    std::int32_t id = 0;
    bool always = false;
  };
  std::array<std::vector<Token>, 256> by_first_byte_;  // longest first
};

}  // namespace kvwave::capture
