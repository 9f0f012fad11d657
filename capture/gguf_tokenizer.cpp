#include "capture/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/pre_tokenizer.h"

namespace kvwave::capture {
namespace {

// Some files state 2^32 - 1 for "none".
std::int32_t token_id(const GgufFile& file, const std::string& key, std::size_t n_pieces) {
  const auto id = file.unsigned_integer(key);
  if (!id || *id == 0xffffffffU) return -1;
  if (*id >= n_pieces) {
    throw BadModelFile(
        fmt::format("{}: key '{}' is {}, but the vocabulary has {} pieces", file.path().string(), key, *id, n_pieces));
  }
  return static_cast<std::int32_t>(*id);
}

// Llama 3 files need not state that BOS goes in front, nor do SentencePiece ones.
bool bos_by_default(const TokenizerData& data) {
  return data.kind == "llama" || data.pre == "llama-bpe" || data.pre == "llama3" || data.pre == "llama-v3";
}

void read_sentencepiece(const GgufFile& file, TokenizerData& data) {
  const std::string name = file.path().string();
  data.scores = file.reals("tokenizer.ggml.scores").value_or(std::vector<float>());
  if (data.scores.size() != data.pieces.size()) {
    throw BadModelFile(fmt::format("{}: tokenizer.ggml.scores has {} entries, but there are {} pieces", name,
                                   data.scores.size(), data.pieces.size()));
  }
  if (std::any_of(data.scores.begin(), data.scores.end(), [](float score) { return std::isnan(score); })) {
    throw BadModelFile(fmt::format("{}: tokenizer.ggml.scores holds NaN", name));
  }
  if (file.boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false)) {
    throw UnsupportedModel(fmt::format("{}: a SentencePiece tokenizer that removes spaces", name));
  }
  const GgufValue* map = file.find("tokenizer.ggml.precompiled_charsmap");
  if (map != nullptr && map->count > 0) {
    throw UnsupportedModel(fmt::format("{}: a SentencePiece tokenizer with a normalisation map", name));
  }
  data.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
}

}  // namespace

TokenizerData read_tokenizer_data(const GgufFile& file, std::uint32_t vocab_size) {
  TokenizerData data;
  data.source = file.path().string();
  data.kind = file.string("tokenizer.ggml.model").value_or("");
  if (data.kind.empty()) return data;
  data.pre = file.string("tokenizer.ggml.pre").value_or("");
  data.pieces = file.strings("tokenizer.ggml.tokens").value_or(std::vector<std::string>());
  data.types = file.integers("tokenizer.ggml.token_type").value_or(std::vector<std::int32_t>());
  data.merges = file.strings("tokenizer.ggml.merges").value_or(std::vector<std::string>());
  if (data.pieces.size() != vocab_size) {
    throw VocabularyMismatch(fmt::format("{}: tokenizer.ggml.tokens has {} pieces, but the embedding has {} rows",
                                         file.path().string(), data.pieces.size(), vocab_size));
  }
  if (!data.types.empty() && data.types.size() != data.pieces.size()) {
    throw BadModelFile(fmt::format("{}: tokenizer.ggml.token_type has {} entries, but there are {} pieces",
                                   file.path().string(), data.types.size(), data.pieces.size()));
  }
  data.bos = token_id(file, "tokenizer.ggml.bos_token_id", data.pieces.size());
  data.eos = token_id(file, "tokenizer.ggml.eos_token_id", data.pieces.size());
  data.eot = token_id(file, "tokenizer.ggml.eot_token_id", data.pieces.size());
  data.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(bos_by_default(data));
  data.whole_words_first = takes_whole_words(data.pre);
  data.nfc = data.kind == "gpt2" && data.pre == "qwen2";  // GGUF does not say it; the models' own tokenizer does
  if (data.kind == "llama") read_sentencepiece(file, data);
  data.chat_template = file.string("tokenizer.chat_template").value_or("");
  return data;
}

}  // namespace kvwave::capture
