// Qwen3 dense models (Yang et al. 2025): no biases; q and k of every head are normalised, and the head dimension is
// stated by itself.
#include "capture/architecture.h"

namespace kvwave::capture {

const Architecture kQwen3 = {.name = "qwen3", .qk_norm = true, .window = {.needs_switch = true}};

}  // namespace kvwave::capture
