// What sets one architecture of the Llama family apart from the others. All of them are: RMSNorm before attention and
// before the feed-forward part, rotary positions, grouped queries, SwiGLU, no biases but those named here. A new one is
// a file NAME_architecture.cpp with one description, and its line in architecture.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "capture/model.h"

namespace kvwave::capture {

/// A window that every query looks back through (sliding-window attention), as config.json states it. kvwave decodes
/// full attention only, so a model whose window is shorter than its context is refused.
struct WindowRule {
  bool needs_switch = false;        ///< counts only where `use_sliding_window` is true
  std::uint32_t when_unstated = 0;  ///< the window where `sliding_window` is not there; 0 = none
};

struct Architecture {
  std::string_view name;  ///< general.architecture in GGUF, model_type in config.json
  /// How GGUF files order the rows of q and k within a head; in safetensors it is always `half`.
  RopeLayout gguf_rope_layout = RopeLayout::half;
  bool qkv_bias = false;  ///< vectors added to q, k and v
  bool qk_norm = false;   ///< RMSNorm of each head's q and k before rotation
  WindowRule window = {};
};

extern const Architecture kLlama, kMistral, kQwen2, kQwen3;

std::span<const Architecture* const> architectures();

/// Throws UnsupportedModel naming the known ones; `source` names the model.
const Architecture& find_architecture(std::string_view name, std::string_view source);

}  // namespace kvwave::capture
