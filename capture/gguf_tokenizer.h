// The tokenizer part of a GGUF file.
#pragma once

#include "capture/gguf.h"
#include "capture/model.h"

namespace kvwave::capture {

/// Keys tokenizer.ggml.* and tokenizer.chat_template; `kind` stays empty when the file has no tokenizer. Throws
/// BadModelFile when the pieces are not `vocab_size` many, lists disagree in length, or an id is outside the
/// vocabulary.
TokenizerData read_tokenizer_data(const GgufFile& file, std::uint32_t vocab_size);

}  // namespace kvwave::capture
