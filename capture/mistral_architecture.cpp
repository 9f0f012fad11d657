// Mistral 7B and Nemo (Jiang et al. 2023): Llama with a window that later versions switch off. Its GGUF files say that
// they are of architecture llama, and have a name of their own only in newer ones.
#include "capture/architecture.h"

namespace kvwave::capture {

const Architecture kMistral = {.name = "mistral",
                               .gguf_rope_layout = RopeLayout::interleaved,
                               .window = {.needs_switch = false, .when_unstated = 4096}};

}  // namespace kvwave::capture
