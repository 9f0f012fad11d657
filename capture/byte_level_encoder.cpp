#include "capture/byte_level_encoder.h"

#include <utility>

#include "capture/byte_alphabet.h"
#include "capture/seen_words.h"
#include "capture/utf8.h"

namespace kvwave::capture {

ByteLevelEncoder::ByteLevelEncoder(std::string_view pre_tokenizer, PieceIds ids, const std::vector<std::string>& merges,
                                   bool whole_words_first)
    : pre_(pre_tokenizer), ids_(std::move(ids)), bpe_(ids_, merges), whole_words_first_(whole_words_first) {}

void ByteLevelEncoder::encode(std::string_view text, bool, std::vector<std::int32_t>& out) const {
  SeenWords seen(out);
  const auto encode_new = [&](std::string_view word) { encode_word(word, out); };
  while (!text.empty()) {
    const std::size_t valid = valid_utf8_prefix(text);
    for (const std::string_view word : pre_.split(text.substr(0, valid))) seen.append(word, encode_new);
    text.remove_prefix(valid);
    const std::size_t invalid = invalid_utf8_prefix(text);
    bpe_.encode(text.substr(0, invalid), out);
    text.remove_prefix(invalid);
  }
}

void ByteLevelEncoder::encode_word(std::string_view word, std::vector<std::int32_t>& out) const {
  if (whole_words_first_) {
    const auto found = ids_.find(to_alphabet(word));
    if (found != ids_.end()) return out.push_back(found->second);
  }
  bpe_.encode(word, out);
}

}  // namespace kvwave::capture
