// Ids of text that holds no special tokens any more: what the two kinds of tokenizers have in common.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace kvwave::capture {

class PlainTextEncoder {
 public:
  virtual ~PlainTextEncoder() = default;

  /// Appends the ids of `text`, whatever its bytes. `after_special`: nothing, or a special token, stands before it.
  /// Throws BadPrompt for a byte the vocabulary has no token for.
  virtual void encode(std::string_view text, bool after_special, std::vector<std::int32_t>& out) const = 0;
};

}  // namespace kvwave::capture
