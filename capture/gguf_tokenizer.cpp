#include "capture/gguf_tokenizer.h"

#include <string>

#include <fmt/format.h>

#include "capture/error.h"

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

// Llama 3 files need not state that BOS goes in front.
bool bos_by_default(const std::string& pre) {
  return pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3";
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
    throw BadModelFile(fmt::format("{}: tokenizer.ggml.tokens has {} pieces, but the embedding has {} rows",
                                   file.path().string(), data.pieces.size(), vocab_size));
  }
  if (!data.types.empty() && data.types.size() != data.pieces.size()) {
    throw BadModelFile(fmt::format("{}: tokenizer.ggml.token_type has {} entries, but there are {} pieces",
                                   file.path().string(), data.types.size(), data.pieces.size()));
  }
  data.bos = token_id(file, "tokenizer.ggml.bos_token_id", data.pieces.size());
  data.eos = token_id(file, "tokenizer.ggml.eos_token_id", data.pieces.size());
  data.eot = token_id(file, "tokenizer.ggml.eot_token_id", data.pieces.size());
  data.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(bos_by_default(data.pre));
  data.chat_template = file.string("tokenizer.chat_template").value_or("");
  return data;
}

}  // namespace kvwave::capture
