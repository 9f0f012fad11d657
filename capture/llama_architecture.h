// GGUF files of architecture `llama`: Llama 1 to 3, SmolLM, TinyLlama and others of that shape (RMSNorm, rotary
// positions, grouped queries, SwiGLU, no biases).
#pragma once

#include "capture/gguf.h"
#include "capture/model_parts.h"

namespace kvwave::capture {

/// Throws BadModelFile, BadTensor or UnsupportedModel. Views in the result point into `file`.
ModelParts read_llama(const GgufFile& file);

}  // namespace kvwave::capture
