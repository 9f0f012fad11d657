// Cuts text into words before byte-pair merging, by the regular expressions of the model's family.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace kvwave::capture {

class PreTokenizer {
 public:
  /// `name` as files state it in tokenizer.ggml.pre: gpt-2, smollm, llama-bpe, qwen2 and their aliases. Throws
  /// UnsupportedModel for another, naming the known ones.
  explicit PreTokenizer(std::string_view name);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  /// The words of `text`, in order and without gaps: views into it. `text` must be valid UTF-8. Time is linear.
  std::vector<std::string_view> split(std::string_view text) const;

  /// Whether a word that is itself a piece is taken whole, before any merging (llama-bpe).
  bool whole_pieces_first() const { return whole_pieces_first_; }

 private:
  class Pattern;
  std::vector<Pattern> passes_;
  bool whole_pieces_first_ = false;
};

}  // namespace kvwave::capture
