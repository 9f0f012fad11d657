// A random model of architecture `llama`, small enough to decode in milliseconds, with a byte-level vocabulary and
// ChatML. The same options give the same bytes.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "kernels/half.h"
#include "kernels/params.h"
#include "tests/capture/gguf_builder.h"

namespace kvwave::capture::testing {

struct TinyLlama {
  std::string architecture = "llama";  ///< of the keys
  std::uint32_t n_layers = 2, hidden = 64, ffn = 96;
  std::uint32_t n_q_heads = 4, n_kv_heads = 2, head_dim = 16;
  std::uint32_t context_length = 512;
  kernels::ParamType matrix_type = kernels::ParamType::f32;  ///< of all matrices of the layers
  kernels::ParamType embedding_type = kernels::ParamType::f32;
  bool tied_output = true;
  std::string pre = "smollm";
  std::uint32_t seed = 1;
};

/// The file's number of a type.
inline std::uint32_t gguf_type_number(kernels::ParamType type) {
  constexpr std::uint32_t kNumbers[] = {0, 1, 30, 2, 3, 6, 7, 8, 12, 13, 14, 10, 11, 20, 39};
  return kNumbers[static_cast<std::size_t>(type)];
}

/// rows x cols random parameters of standard deviation about `spread`: random quants under fitting block scales.
inline std::string random_params(kernels::ParamType type, std::uint64_t rows, std::uint64_t cols, float spread,
                                 std::mt19937& random) {
  using kernels::ParamType;
  const auto uniform = [&random] { return static_cast<float>(random()) * 0x1p-31F - 1.0F; };  // [-1, 1]
  const auto half = [](float value) { return little_endian(kernels::f32_to_f16(value)); };
  const auto noise = [&random](std::size_t n) {
    std::string bytes(n, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() & 0xffU);
    return bytes;
  };
  const auto block = [&]() -> std::string {
    const float value = uniform() * spread * 1.73F;
    switch (type) {
      case ParamType::f32:
        return little_endian(value);
      case ParamType::f16:
        return half(value);
      case ParamType::bf16:
        return little_endian(value).substr(2);
      case ParamType::q4_0:
        return half(spread / 4.6F) + noise(16);
      case ParamType::q4_1:
        return half(spread / 4.6F) + half(-7.5F * spread / 4.6F) + noise(16);
      case ParamType::q5_0:
        return half(spread / 9.2F) + noise(20);
      case ParamType::q5_1:
        return half(spread / 9.2F) + half(-15.5F * spread / 9.2F) + noise(20);
      case ParamType::q8_0:
        return half(spread / 74.0F) + noise(32);
      case ParamType::q4_k:
        return half(spread / 180.0F) + half(7.5F * spread / 180.0F) + noise(140);
      case ParamType::q5_k:
        return half(spread / 360.0F) + half(15.5F * spread / 360.0F) + noise(172);
      case ParamType::q6_k:
        return noise(208) + half(spread / 1370.0F);
      case ParamType::q2_k:
        return noise(80) + half(spread / 11.5F) + half(1.5F * spread / 11.5F);
      case ParamType::q3_k:
        return noise(108) + half(spread / 44.0F);
      case ParamType::iq4_nl:
        return half(spread / 69.0F) + noise(16);
      case ParamType::mxfp4:
        return std::string(1, static_cast<char>(128 + std::lround(std::log2(spread / 5.8F)))) + noise(16);
    }
    return {};
  };
  std::string bytes;
  for (std::uint64_t i = 0; i < rows * cols / kernels::block_values(type); ++i) bytes += block();
  return bytes;
}

/// The printable character that stands for a byte in GPT-2 vocabularies, as UTF-8: the visible Latin-1 characters stand
/// for themselves, the others follow from U+0100 on in order.
inline std::string piece_of_byte(unsigned byte) {
  const auto visible = [](unsigned b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
  unsigned code = byte;
  if (!visible(byte)) {
    code = 256;
    for (unsigned b = 0; b < byte; ++b) code += visible(b) ? 0 : 1;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0U | (code >> 6)), static_cast<char>(0x80U | (code & 0x3fU))};
}

/// Pieces: 0 <|endoftext|>, 1 <|im_start|>, 2 <|im_end|> (control), 3 to 258 the bytes 0 to 255, then the merged ones.
struct TinyVocab {
  std::vector<std::string> pieces = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  std::vector<std::int32_t> types = {3, 3, 3};
  std::vector<std::string> merges;
};
inline TinyVocab tiny_vocab() {
  TinyVocab vocab;
  for (unsigned b = 0; b < 256; ++b) vocab.pieces.push_back(piece_of_byte(b));
  const std::string space = piece_of_byte(' ');
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"h", "e"}, {space, "t"},        {"i", "n"}, {"r", "e"},    {"o", "n"},  {space, "a"},   {"e", "r"},
      {"o", "u"}, {space + "t", "he"}, {"n", "d"}, {"s", "t"},    {"in", "g"}, {space, space}, {"1", "2"},
      {"l", "l"}, {space + "a", "nd"}, {"i", "s"}, {space, "is"}, {"H", "e"},  {"He", "ll"},   {"Hell", "o"}};
  for (const auto& [left, right] : merges) {
    vocab.merges.push_back(left + " " + right);
    vocab.pieces.push_back(left + right);
  }
  vocab.types.resize(vocab.pieces.size(), 1);
  return vocab;
}

/// Everything of the file but its tensors: the shape's keys, the vocabulary and the chat template.
inline GgufBuilder describe_tiny_llama(const TinyLlama& o, const TinyVocab& vocab) {
  const auto n_vocab = static_cast<std::uint32_t>(vocab.pieces.size());
  GgufBuilder b;
  const auto key = [&o](const char* name) { return o.architecture + "." + name; };
  b.set_string("general.architecture", o.architecture);
  b.set_string("general.name", "tiny");
  b.set_u32(key("block_count"), o.n_layers);
  b.set_u32(key("context_length"), o.context_length);
  b.set_u32(key("embedding_length"), o.hidden);
  b.set_u32(key("feed_forward_length"), o.ffn);
  b.set_u32(key("attention.head_count"), o.n_q_heads);
  b.set_u32(key("attention.head_count_kv"), o.n_kv_heads);
  b.set_u32(key("attention.key_length"), o.head_dim);
  b.set_u32(key("attention.value_length"), o.head_dim);
  b.set_u32(key("rope.dimension_count"), o.head_dim);
  b.set_f32(key("rope.freq_base"), 10000.0F);
  b.set_f32(key("attention.layer_norm_rms_epsilon"), 1e-5F);
  b.set_u32(key("vocab_size"), n_vocab);
  b.set_string("tokenizer.ggml.model", "gpt2");
  b.set_string("tokenizer.ggml.pre", o.pre);
  b.set_strings("tokenizer.ggml.tokens", vocab.pieces);
  b.set_i32s("tokenizer.ggml.token_type", vocab.types);
  b.set_strings("tokenizer.ggml.merges", vocab.merges);
  b.set_u32("tokenizer.ggml.bos_token_id", 1);
  b.set_u32("tokenizer.ggml.eos_token_id", 2);
  b.set_bool("tokenizer.ggml.add_bos_token", false);
  b.set_string("tokenizer.chat_template",
               "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
               "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
               "{% endif %}");
  return b;
}

inline GgufBuilder build_tiny_llama(const TinyLlama& o = {}) {
  constexpr float kEmbeddingSpread = 1.0F;
  const TinyVocab vocab = tiny_vocab();
  const auto n_vocab = static_cast<std::uint32_t>(vocab.pieces.size());
  GgufBuilder b = describe_tiny_llama(o, vocab);

  std::mt19937 random(o.seed);
  const auto add = [&](const std::string& name, kernels::ParamType type, std::uint64_t rows, std::uint64_t cols,
                       float spread) {
    b.add_tensor(name, {cols, rows}, gguf_type_number(type), random_params(type, rows, cols, spread, random));
  };
  const auto add_norm = [&](const std::string& name) {
    std::string bytes;
    for (std::uint32_t i = 0; i < o.hidden; ++i) {
      bytes += little_endian(1.0F + 0.2F * (static_cast<float>(random()) * 0x1p-31F - 1.0F));
    }
    b.add_tensor(name, {o.hidden}, 0, bytes);
  };
  add("token_embd.weight", o.embedding_type, n_vocab, o.hidden, kEmbeddingSpread);
  if (!o.tied_output) add("output.weight", o.embedding_type, n_vocab, o.hidden, kEmbeddingSpread);
  add_norm("output_norm.weight");
  const float in_hidden = 1.5F / std::sqrt(static_cast<float>(o.hidden));
  const float in_ffn = 1.5F / std::sqrt(static_cast<float>(o.ffn));
  const std::uint32_t q_rows = o.n_q_heads * o.head_dim;
  const std::uint32_t kv_rows = o.n_kv_heads * o.head_dim;
  for (std::uint32_t layer = 0; layer < o.n_layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    add_norm(prefix + "attn_norm.weight");
    add(prefix + "attn_q.weight", o.matrix_type, q_rows, o.hidden, 2 * in_hidden);
    add(prefix + "attn_k.weight", o.matrix_type, kv_rows, o.hidden, 2 * in_hidden);
    add(prefix + "attn_v.weight", o.matrix_type, kv_rows, o.hidden, in_hidden);
    add(prefix + "attn_output.weight", o.matrix_type, o.hidden, q_rows, in_hidden);
    add_norm(prefix + "ffn_norm.weight");
    add(prefix + "ffn_gate.weight", o.matrix_type, o.ffn, o.hidden, in_hidden);
    add(prefix + "ffn_up.weight", o.matrix_type, o.ffn, o.hidden, in_hidden);
    add(prefix + "ffn_down.weight", o.matrix_type, o.hidden, o.ffn, in_ffn);
  }
  return b;
}

inline void write_tiny_llama(const std::filesystem::path& path, const TinyLlama& options = {}) {
  build_tiny_llama(options).write(path);
}

}  // namespace kvwave::capture::testing
