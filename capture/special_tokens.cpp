#include "capture/special_tokens.h"

#include <algorithm>
#include <utility>

namespace kvwave::capture {

void SpecialTokens::add(std::string text, std::int32_t id, bool always) {
  if (text.empty()) return;
  auto& tokens = by_first_byte_[static_cast<unsigned char>(text[0])];
  const auto shorter =
      std::find_if(tokens.begin(), tokens.end(), [&](const Token& other) { return other.text.size() < text.size(); });
  tokens.insert(shorter, {std::move(text), id, always});
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from, bool special) const {
  for (std::size_t i = from; i < text.size(); ++i) {
    for (const Token& token : by_first_byte_[static_cast<unsigned char>(text[i])]) {
      if ((special || token.always) && text.substr(i).starts_with(token.text)) return {i, token.text.size(), token.id};
    }
  }
  return {text.size(), 0, -1};
}

}  // namespace kvwave::capture
