// Llama 1 to 3, SmolLM2, TinyLlama, DeepSeek-R1-Distill-Llama (Touvron et al. 2023; Grattafiori et al. 2024).
#include "capture/architecture.h"

namespace kvwave::capture {

const Architecture kLlama = {.name = "llama", .gguf_rope_layout = RopeLayout::interleaved};

}  // namespace kvwave::capture
