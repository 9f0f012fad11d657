// Byte-level BPE (GPT-2 family): text is cut into words, the bytes of each word are merged.
#pragma once

#include <string_view>
#include <vector>

#include "capture/bpe.h"
#include "capture/plain_text_encoder.h"
#include "capture/pre_tokenizer.h"

namespace kvwave::capture {

class ByteLevelEncoder final : public PlainTextEncoder {
 public:
  /// `ids`: the pieces that words may become, in the byte alphabet. Throws UnsupportedModel and BadModelFile.
  ByteLevelEncoder(std::string_view pre_tokenizer, PieceIds ids, const std::vector<std::string>& merges,
                   bool whole_words_first);

  /// Bytes that are no UTF-8 are merged apart from the text around them, never replaced.
  void encode(std::string_view text, bool after_special, std::vector<std::int32_t>& out) const override;

 private:
  void encode_word(std::string_view word, std::vector<std::int32_t>& out) const;

  PreTokenizer pre_;
  PieceIds ids_;
  Bpe bpe_;
  bool whole_words_first_;
};

}  // namespace kvwave::capture
