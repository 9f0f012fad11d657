// SentencePiece BPE with byte fallback (Kudo, Richardson 2018), as Llama 1 and 2, TinyLlama and Mistral 7B have it.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "capture/bpe.h"
#include "capture/plain_text_encoder.h"

namespace kvwave::capture {

class SentencePieceEncoder final : public PlainTextEncoder {
 public:
  /// `ids`: the pieces that merging may give, with U+2581 for a space; scores by id; byte_ids: the token of each byte,
  /// -1 where there is none. `space_prefix`: a space goes in front of text that begins after a special token.
  SentencePieceEncoder(PieceIds ids, std::vector<float> scores, const std::array<std::int32_t, 256>& byte_ids,
                       bool space_prefix);

  /// Starts from characters and joins, again and again, the neighbours that make the piece of the highest score (the
  /// leftmost of equals). Characters without a piece become the tokens of their bytes. O(n log n).
  void encode(std::string_view text, bool after_special, std::vector<std::int32_t>& out) const override;

 private:
  void encode_word(std::string_view view, std::vector<std::int32_t>& out) const;
  std::int32_t find(std::string_view piece) const;

  PieceIds ids_;
  std::vector<float> scores_;
  std::array<std::int32_t, 256> byte_ids_;
  bool space_prefix_;
  bool words_are_apart_;  // no piece reaches from one word into the next: each can be merged by itself
};

}  // namespace kvwave::capture
