#include "capture/model_parts.h"

#include <string>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

constexpr std::uint64_t kLargestVocab = 1U << 24;
constexpr std::size_t kLeastPerLayer = 9;  // tensors that every architecture has

class Assembler {
 public:
  Assembler(const ModelConfig& config, const Architecture& architecture, const TensorDirectory& tensors,
            const TensorNames& names)
      : c_(config), architecture_(architecture), tensors_(tensors), names_(names) {}

  ModelParts run() {
    if (tensors_.all().size() / kLeastPerLayer < c_.n_layers) {
      throw BadTensor(fmt::format("{}: {} tensors cannot make {} layers of {}", tensors_.source(),
                                  tensors_.all().size(), c_.n_layers, kLeastPerLayer));
    }
    parts_.token_embedding = matrix(std::string(names_.embedding), c_.vocab_size, c_.hidden);
    parts_.output =
        c_.tied_output ? parts_.token_embedding : matrix(std::string(names_.output), c_.vocab_size, c_.hidden);
    known_.insert(std::string(names_.output));  // tied models may carry a copy
    parts_.output_norm = vector(std::string(names_.output_norm), c_.hidden);
    for (std::uint32_t layer = 0; layer < c_.n_layers; ++layer) parts_.layers.push_back(read_layer(layer));
    refuse_other_tensors();
    return std::move(parts_);
  }

 private:
  kernels::ParamMatrix matrix(std::string name, std::uint32_t rows, std::uint32_t cols) {
    const kernels::ParamMatrix result = tensors_.matrix(name, rows, cols);
    known_.insert(std::move(name));
    return result;
  }
  std::span<const float> vector(std::string name, std::uint32_t size) {
    const std::span<const float> result = parts_.vectors.emplace_back(tensors_.vector(name, size));
    known_.insert(std::move(name));
    return result;
  }

  LayerParams read_layer(std::uint32_t layer) {
    const auto name = [&](std::string_view what) { return names_.in_layer(layer, what); };
    const std::uint32_t q_rows = c_.n_q_heads * c_.head_dim, kv_rows = c_.n_kv_heads * c_.head_dim;
    LayerParams p;
    p.attn_norm = vector(name(names_.attn_norm), c_.hidden);
    p.ffn_norm = vector(name(names_.ffn_norm), c_.hidden);
    p.q = matrix(name(names_.q) + ".weight", q_rows, c_.hidden);
    p.k = matrix(name(names_.k) + ".weight", kv_rows, c_.hidden);
    p.v = matrix(name(names_.v) + ".weight", kv_rows, c_.hidden);
    p.o = matrix(name(names_.o), c_.hidden, q_rows);
    p.gate = matrix(name(names_.gate), c_.ffn, c_.hidden);
    p.up = matrix(name(names_.up), c_.ffn, c_.hidden);
    p.down = matrix(name(names_.down), c_.hidden, c_.ffn);
    if (architecture_.qkv_bias) {
      p.q_bias = vector(name(names_.q) + ".bias", q_rows);
      p.k_bias = vector(name(names_.k) + ".bias", kv_rows);
      p.v_bias = vector(name(names_.v) + ".bias", kv_rows);
    }
    if (architecture_.qk_norm) {
      p.q_norm = vector(name(names_.q_norm), c_.head_dim);
      p.k_norm = vector(name(names_.k_norm), c_.head_dim);
    }
    if (!names_.ignored_in_layer.empty()) known_.insert(name(names_.ignored_in_layer));
    return p;
  }

  void refuse_other_tensors() const {
    for (const StoredTensor& tensor : tensors_.all()) {
      if (known_.contains(tensor.name) || tensor.name == names_.ignored) continue;
      throw UnsupportedModel(fmt::format("{}: tensor {} is not part of architecture {}", tensors_.source(),
                                         printable(tensor.name), architecture_.name));
    }
  }

  const ModelConfig& c_;
  const Architecture& architecture_;
  const TensorDirectory& tensors_;
  const TensorNames& names_;
  ModelParts parts_;
  std::unordered_set<std::string> known_;
};

}  // namespace

std::uint32_t embedding_rows(const TensorDirectory& tensors, const TensorNames& names) {
  const StoredTensor* embedding = tensors.find(names.embedding);
  if (embedding == nullptr) {
    throw MissingTensor(
        fmt::format("{}: tensor '{}' is missing, expected a matrix", tensors.source(), names.embedding));
  }
  if (embedding->shape.size() != 2) {
    throw BadTensor(fmt::format("{}: tensor '{}' has shape {}, expected a matrix", tensors.source(), names.embedding,
                                tensors.shape_text(embedding->shape)));
  }
  if (embedding->shape[0] > kLargestVocab) {
    throw BadModelFile(fmt::format("{}: vocabulary of {} entries, expected at most {}", tensors.source(),
                                   embedding->shape[0], kLargestVocab));
  }
  return static_cast<std::uint32_t>(embedding->shape[0]);
}

ModelParts assemble_parts(const ModelConfig& config, const Architecture& architecture, const TensorDirectory& tensors,
                          const TensorNames& names) {
  return Assembler(config, architecture, tensors, names).run();
}

}  // namespace kvwave::capture
