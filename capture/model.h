// A model ready to decode: numbers and parameter views, whatever files they came from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capture/mapped_file.h"
#include "kernels/params.h"

namespace kvwave::capture {

/// How q and k are rotated. half: pairs (i, i + d/2); interleaved: pairs (2i, 2i + 1) (GGUF files of arch llama, whose
/// rows of q and k are permuted to match: scores are the same).
enum class RopeLayout { half, interleaved };

struct ModelConfig {
  std::string architecture;  ///< "llama", "mistral", "qwen2" or "qwen3" (architecture.h)
  std::string name;          ///< GGUF: general.name, else the file's stem; safetensors: the folder's name
  std::uint32_t n_layers = 0, hidden = 0, ffn = 0;
  std::uint32_t n_q_heads = 0, n_kv_heads = 0, head_dim = 0;
  std::uint32_t vocab_size = 0, context_length = 0;
  float rms_epsilon = 0;
  double rope_theta = 0;
  RopeLayout rope_layout = RopeLayout::interleaved;
  std::vector<float> rope_divisor;   ///< [head_dim / 2] frequency divisors, empty = all 1 (rope_scaling.h)
  double rope_attention_factor = 1;  ///< on cosines and sines, so on q and k each (YaRN)
  std::string rope_scaling = "{}";   ///< JSON object as stored in traces
  bool tied_output = false;          ///< logits use the token embedding
};

struct LayerParams {
  std::span<const float> attn_norm, ffn_norm;     ///< [hidden]
  std::span<const float> q_bias, k_bias, v_bias;  ///< empty when the architecture has none
  std::span<const float> q_norm, k_norm;          ///< [head_dim], empty when the architecture has none
  kernels::ParamMatrix q, k, v, o;                ///< [Hq*d, hidden], [Hkv*d, hidden], same, [hidden, Hq*d]
  kernels::ParamMatrix gate, up, down;            ///< [ffn, hidden], same, [hidden, ffn]
};

/// Token types as model files number them.
namespace token_type {
inline constexpr std::int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;
}

/// Tokenizer facts as the container states them.
struct TokenizerData {
  std::string source;               ///< the model file's name, for messages
  std::string kind;                 ///< "gpt2" = byte-level BPE, "llama" = SentencePiece BPE
  std::string pre;                  ///< pre-tokenizer name, e.g. "smollm"
  std::vector<std::string> pieces;  ///< id -> text; gpt2: in the byte-to-printable alphabet, control tokens literal
  std::vector<std::int32_t> types;  ///< token_type of each id; empty = all normal
  std::vector<std::string> merges;  ///< gpt2: "left right", rank = index
  std::vector<float> scores;        ///< llama: by id, higher is merged first
  std::vector<std::int32_t> normalised_tokens;  ///< literal ids that are looked for after normalisation, not before
  std::int32_t bos = -1, eos = -1, eot = -1;
  std::vector<std::int32_t> end_ids;  ///< further ids that end a turn (generation_config.json)
  bool add_bos = false;
  bool nfc = false;                ///< text is brought to Unicode normalisation form C first
  bool whole_words_first = false;  ///< a word that is itself a piece is taken whole, before any merging
  bool add_space_prefix = false;   ///< llama: a space goes in front of the text
  std::string chat_template;       ///< Jinja text, empty when absent
  std::string template_source;     ///< the file it is from, or where it was looked for; empty = `source`
};

/// Whether loading looks through all parameters for NaN and infinity, which reads the files once.
enum class ParamScan { all, none };

class Model {
 public:
  /// Opens a GGUF file, the first of a split one, or a folder with config.json and safetensors (model_source.h), by
  /// mmap. Throws BadModelFile, UnsupportedModel, BadTensor and what derives from them. Nothing is allocated by a
  /// number that was not checked against the file. All norms, block scales and plain values are scanned for NaN and
  /// infinity unless `scan` says none: then nothing of a matrix is read. Spans and matrices stay valid as long as the
  /// model (moves included).
  static Model load(const std::filesystem::path& path, FileMemory memory = FileMemory::mapped,
                    ParamScan scan = ParamScan::all);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const ModelConfig& config() const;
  const TokenizerData& tokenizer_data() const;
  std::span<const LayerParams> layers() const;
  const kernels::ParamMatrix& token_embedding() const;           ///< [vocab, hidden]
  const kernels::ParamMatrix& output() const;                    ///< [vocab, hidden]; the embedding when tied
  std::span<const float> output_norm() const;                    ///< [hidden]
  std::string_view format() const;                               ///< "gguf" or "safetensors"
  std::uint64_t param_bytes() const;                             ///< bytes of all tensors in the files
  std::uint64_t file_bytes() const;                              ///< bytes of the files that hold them
  bool is_copy() const;                                          ///< FileMemory::copied was asked for and affordable
  std::map<std::string, std::uint64_t> tensors_by_type() const;  ///< e.g. {"F32": 61, "Q4_1": 210}
  /// Of the parameter file; of several, of their SHA-256 texts one after the other. Computed at the first call.
  std::string sha256() const;
  std::string tokenizer_sha256() const;  ///< of kind, pre, pieces, types, merges, each with its length in front

 private:
  Model();
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::capture
