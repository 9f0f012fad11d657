// Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen, AceReason (Yang et al. 2024): q, k and v have biases.
#include "capture/architecture.h"

namespace kvwave::capture {

const Architecture kQwen2 = {.name = "qwen2", .qkv_bias = true, .window = {.needs_switch = true}};

}  // namespace kvwave::capture
