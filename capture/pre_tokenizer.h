// Cuts text into words before byte-pair merging, by the regular expressions of the model's family.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace kvwave::capture {

/// The name of the family whose only step is this pattern, as tokenizer.json writes it; nothing when it is not known.
std::optional<std::string_view> pre_tokenizer_of_pattern(std::string_view pattern);

/// Whether GGUF files of this pre-tokenizer take a word that is itself a piece whole, before any merging.
bool takes_whole_words(std::string_view name);

class PreTokenizer {
 public:
  /// `name` as files state it in tokenizer.ggml.pre: gpt-2, smollm, llama-bpe, qwen2 and their aliases. Throws
  /// UnsupportedModel for another, naming the known ones.
  explicit PreTokenizer(std::string_view name);
  ~PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;

  /// The words of `text`, in order and without gaps: views into it. `text` must be valid UTF-8. Time is linear.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  class Pattern;
  std::vector<Pattern> passes_;
};

}  // namespace kvwave::capture
