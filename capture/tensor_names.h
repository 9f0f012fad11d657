// What the two kinds of model files call the same tensors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvwave::capture {

struct TensorNames {
  std::string_view embedding, output, output_norm;
  std::string_view layer;    ///< what stands in front of a layer's names, {} for its number
  std::string_view q, k, v;  ///< without .weight or .bias
  // Within a layer, in full:
  std::string_view attn_norm, o, ffn_norm, gate, up, down, q_norm, k_norm;
  /// Tensors that files may have and that are read elsewhere or computed afresh; in a layer, and outside.
  std::string_view ignored_in_layer, ignored;

  std::string in_layer(std::uint32_t number, std::string_view name) const;
};

extern const TensorNames kGgufNames;         ///< llama.cpp
extern const TensorNames kHuggingFaceNames;  ///< transformers

}  // namespace kvwave::capture
