// From text to the ids of a model's own vocabulary, and the way back to bytes: byte-level BPE (GPT-2 family, from GGUF
// and tokenizer.json alike) and SentencePiece BPE (from GGUF).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capture/model.h"

namespace kvwave::capture {

class Tokenizer {
 public:
  /// Throws UnsupportedModel for an unknown kind or pre-tokenizer (names the known ones), BadModelFile for a vocabulary
  /// that contradicts itself (duplicate pieces, merges of unknown pieces). `data` is not needed afterwards.
  explicit Tokenizer(const TokenizerData& data);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  /// Ids of `text`. With `special`, control tokens written out in the text become their ids (leftmost first, of those
  /// the longest); otherwise they are plain text. User-defined tokens always become their ids. Bytes that are no UTF-8
  /// are merged apart from the text around them, never replaced. decode(encode(text)) == text whatever the bytes, but
  /// for two things that belong to some models: normalisation (NFC, Qwen) and a space in front (SentencePiece).
  /// Throws BadPrompt for a byte the vocabulary has no token for (SmolLM2 lacks 21, such as 0x04 and 0xff). BOS is put
  /// in front only where `add_bos` and the model's file asks for it.
  std::vector<std::int32_t> encode(std::string_view text, bool special, bool add_bos) const;

  /// Raw bytes of one token, id in [0, vocab_size) (control tokens: their text). A piece may end inside a UTF-8
  /// character.
  const std::string& bytes(std::int32_t id) const;
  std::string decode(std::span<const std::int32_t> ids) const;

  bool is_end(std::int32_t id) const;  ///< end of sequence or end of turn
  bool is_control(std::int32_t id) const;
  std::span<const std::int32_t> end_ids() const;
  std::uint32_t vocab_size() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Collects token bytes and gives out only complete UTF-8 characters, so that text can be printed while decoding.
class Utf8Stream {
 public:
  /// Appends and returns what is complete now; invalid bytes come out as U+FFFD.
  std::string push(std::string_view bytes);
  std::string flush();  ///< the rest, incomplete bytes as U+FFFD

 private:
  std::string pending_;
};

}  // namespace kvwave::capture
