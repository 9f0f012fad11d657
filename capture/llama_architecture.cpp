#include "capture/llama_architecture.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capture/error.h"
#include "capture/gguf_keys.h"
#include "capture/gguf_params.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

// Generous bounds: their products stay far inside 64 bits.
constexpr std::uint32_t kMostLayers = 4096;
constexpr std::uint32_t kWidest = 1U << 20;
constexpr std::uint32_t kMostHeads = 4096;
constexpr std::uint32_t kWidestHead = 4096;
constexpr std::uint32_t kLongestContext = 1U << 30;
constexpr std::uint32_t kLargestVocab = 1U << 24;
constexpr std::array<std::string_view, 9> kLayerTensors = {"attn_norm", "attn_q",   "attn_k", "attn_v",  "attn_output",
                                                           "ffn_norm",  "ffn_gate", "ffn_up", "ffn_down"};

std::string tensor_name(std::uint32_t layer, std::string_view what) {
  return fmt::format("blk.{}.{}.weight", layer, what);
}

[[noreturn]] void bad(const GgufFile& file, const std::string& what) {
  throw BadModelFile(fmt::format("{}: {}", file.path().string(), what));
}
[[noreturn]] void unsupported(const GgufFile& file, const std::string& what) {
  throw UnsupportedModel(fmt::format("{}: {}", file.path().string(), what));
}

void read_heads(const GgufFile& file, ModelConfig& c) {
  c.n_q_heads = positive_key(file, "llama.attention.head_count", kMostHeads);
  c.n_kv_heads = positive_key(file, "llama.attention.head_count_kv", kMostHeads, c.n_q_heads);
  if (c.n_q_heads % c.n_kv_heads != 0) {
    bad(file, fmt::format("{} query heads are not a multiple of {} KV heads", c.n_q_heads, c.n_kv_heads));
  }
  const GgufValue* key_length = file.find("llama.attention.key_length");
  if (key_length == nullptr && c.hidden % c.n_q_heads != 0) {
    bad(file, fmt::format("embedding length {} is not a multiple of {} query heads", c.hidden, c.n_q_heads));
  }
  c.head_dim = positive_key(file, "llama.attention.key_length", kWidestHead, c.hidden / c.n_q_heads);
  if (c.head_dim % 2 != 0) bad(file, fmt::format("head dimension {} is odd, rotary positions need pairs", c.head_dim));
  const auto value_dim = positive_key(file, "llama.attention.value_length", kWidestHead, c.head_dim);
  if (value_dim != c.head_dim) {
    unsupported(file, fmt::format("value length {} differs from key length {}", value_dim, c.head_dim));
  }
  const auto rotated = positive_key(file, "llama.rope.dimension_count", kWidestHead, c.head_dim);
  if (rotated != c.head_dim) {
    unsupported(file, fmt::format("only {} of {} dimensions of a head are rotated", rotated, c.head_dim));
  }
}

// One factor for all frequencies. Files may state it without a type; 0 and 1 mean none.
double linear_factor(const GgufFile& file) {
  const std::string type = file.string("llama.rope.scaling.type").value_or("linear");
  if (type != "none" && type != "linear") {
    unsupported(file, fmt::format("rope scaling type {}; known types are none and linear", printable(type)));
  }
  if (real_key(file, "llama.rope.scaling.attn_factor", 0.0, 1e6, 1.0) != 1.0) {
    unsupported(file, "rope scaling with an attention factor");
  }
  const double old_key = real_key(file, "llama.rope.scale_linear", 0.0, 1e6, 1.0);
  const double factor = real_key(file, "llama.rope.scaling.factor", 0.0, 1e6, old_key);
  return type == "none" || factor == 0.0 ? 1.0 : factor;
}

// Frequency divisors: linear scaling by one factor, or one divisor per frequency in the file (Llama 3).
void read_rope(const GgufFile& file, ModelConfig& c) {
  c.rope_theta = real_key(file, "llama.rope.freq_base", 1.0, 1e15, 10000.0);
  c.rope_layout = RopeLayout::interleaved;
  const double factor = linear_factor(file);
  const bool has_divisors = file.find_tensor("rope_freqs.weight") != nullptr;
  if (factor != 1.0) {
    if (has_divisors) unsupported(file, "both linear rope scaling and tensor 'rope_freqs.weight'");
    c.rope_divisor.assign(c.head_dim / 2, static_cast<float>(factor));
    c.rope_scaling = fmt::format(R"({{"factor":{},"type":"linear"}})", factor);
  } else if (has_divisors) {
    c.rope_divisor = require_vector(file, "rope_freqs.weight", c.head_dim / 2);
    if (std::any_of(c.rope_divisor.begin(), c.rope_divisor.end(), [](float d) { return d < 1e-6F || d > 1e6F; })) {
      bad(file, "tensor 'rope_freqs.weight' holds a divisor outside 1e-6 to 1e6");
    }
    c.rope_scaling = fmt::format(R"({{"divisors":[{}],"type":"divisors"}})", fmt::join(c.rope_divisor, ","));
  }
}

// The embedding decides the vocabulary's size; a key that says otherwise is a contradiction.
std::uint32_t read_vocab_size(const GgufFile& file) {
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw BadTensor(fmt::format("{}: tensor 'token_embd.weight' {}, expected a matrix", file.path().string(),
                                embedding == nullptr ? "is missing" : "has shape " + embedding->shape_text()));
  }
  if (embedding->shape[1] > kLargestVocab) {
    bad(file, fmt::format("vocabulary of {} entries, expected at most {}", embedding->shape[1], kLargestVocab));
  }
  const auto rows = static_cast<std::uint32_t>(embedding->shape[1]);
  const auto stated = positive_key(file, "llama.vocab_size", kLargestVocab, rows);
  if (stated != rows) {
    throw BadTensor(fmt::format("{}: tensor 'token_embd.weight' has {} rows, expected llama.vocab_size = {}",
                                file.path().string(), rows, stated));
  }
  return rows;
}

ModelConfig read_config(const GgufFile& file) {
  ModelConfig c;
  c.architecture = "llama";
  c.name = file.string("general.name").value_or(file.path().stem().string());
  if (file.unsigned_integer("llama.expert_count").value_or(0) != 0) unsupported(file, "a mixture of experts");
  if (file.unsigned_integer("split.count").value_or(1) > 1) {
    unsupported(file, "the model is split over several files; merge them with llama-gguf-split --merge first");
  }
  c.n_layers = positive_key(file, "llama.block_count", kMostLayers);
  c.context_length = positive_key(file, "llama.context_length", kLongestContext);
  c.hidden = positive_key(file, "llama.embedding_length", kWidest);
  c.ffn = positive_key(file, "llama.feed_forward_length", kWidest);
  c.rms_epsilon = static_cast<float>(real_key(file, "llama.attention.layer_norm_rms_epsilon", 1e-12, 0.1));
  read_heads(file, c);
  read_rope(file, c);
  c.vocab_size = read_vocab_size(file);
  return c;
}

LayerParams read_layer(const GgufFile& file, const ModelConfig& c, std::uint32_t layer, ModelParts& parts) {
  const auto norm = [&](std::string_view what) -> std::span<const float> {
    return parts.vectors.emplace_back(require_vector(file, tensor_name(layer, what), c.hidden));
  };
  const auto matrix = [&](std::string_view what, std::uint32_t rows, std::uint32_t cols) {
    return require_matrix(file, tensor_name(layer, what), rows, cols);
  };
  LayerParams p;
  p.attn_norm = norm("attn_norm");
  p.ffn_norm = norm("ffn_norm");
  p.q = matrix("attn_q", c.n_q_heads * c.head_dim, c.hidden);
  p.k = matrix("attn_k", c.n_kv_heads * c.head_dim, c.hidden);
  p.v = matrix("attn_v", c.n_kv_heads * c.head_dim, c.hidden);
  p.o = matrix("attn_output", c.hidden, c.n_q_heads * c.head_dim);
  p.gate = matrix("ffn_gate", c.ffn, c.hidden);
  p.up = matrix("ffn_up", c.ffn, c.hidden);
  p.down = matrix("ffn_down", c.hidden, c.ffn);
  return p;
}

// Biases and the like change what a model computes: leaving them out would decode another model.
void refuse_other_tensors(const GgufFile& file, const ModelConfig& c) {
  std::unordered_set<std::string> known = {"token_embd.weight", "output.weight", "output_norm.weight",
                                           "rope_freqs.weight"};
  for (std::uint32_t layer = 0; layer < c.n_layers; ++layer) {
    for (const std::string_view what : kLayerTensors) known.insert(tensor_name(layer, what));
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (!known.contains(std::string(tensor.name))) {
      unsupported(file, fmt::format("tensor {} is not part of architecture llama", printable(tensor.name)));
    }
  }
}

}  // namespace

ModelParts read_llama(const GgufFile& file) {
  ModelParts parts;
  parts.config = read_config(file);
  ModelConfig& c = parts.config;
  if (file.tensors().size() / kLayerTensors.size() < c.n_layers) {
    throw BadTensor(fmt::format("{}: {} tensors cannot make {} layers of {}", file.path().string(),
                                file.tensors().size(), c.n_layers, kLayerTensors.size()));
  }
  parts.token_embedding = require_matrix(file, "token_embd.weight", c.vocab_size, c.hidden);
  c.tied_output = file.find_tensor("output.weight") == nullptr;
  parts.output = c.tied_output ? parts.token_embedding : require_matrix(file, "output.weight", c.vocab_size, c.hidden);
  parts.output_norm = parts.vectors.emplace_back(require_vector(file, "output_norm.weight", c.hidden));
  for (std::uint32_t layer = 0; layer < c.n_layers; ++layer) {
    parts.layers.push_back(read_layer(file, c, layer, parts));
  }
  refuse_other_tensors(file, c);
  return parts;
}

}  // namespace kvwave::capture
