#include "capture/special_tokens.h"

#include <algorithm>

namespace kvwave::capture {

void SpecialTokens::add(std::string_view text, std::int32_t id, bool always) {
  if (text.empty()) return;
  tokens_.emplace(text, Token{id, always});
  std::vector<std::size_t>& lengths = lengths_[static_cast<unsigned char>(text[0])];
  const auto place = std::lower_bound(lengths.begin(), lengths.end(), text.size(), std::greater<>());
  if (place == lengths.end() || *place != text.size()) lengths.insert(place, text.size());
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from, bool special) const {
  for (std::size_t i = from; i < text.size(); ++i) {
    for (const std::size_t length : lengths_[static_cast<unsigned char>(text[i])]) {
      if (length > text.size() - i) continue;
      const auto found = tokens_.find(text.substr(i, length));
      if (found != tokens_.end() && (special || found->second.always)) return {i, length, found->second.id};
    }
  }
  return {text.size(), 0, -1};
}

}  // namespace kvwave::capture
