// The tokenizer of a model folder, with what the files beside tokenizer.json say about it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "capture/json_reader.h"
#include "capture/model.h"

namespace kvwave::capture {

/// tokenizer.json; BOS, EOS and the chat template from tokenizer_config.json (or chat_template.jinja, which goes
/// first); every end id of generation_config.json and of `config`, the model's config.json. `kind` stays empty when
/// there is no tokenizer.json. Throws as read_tokenizer_json, and BadModelFile or VocabularyMismatch when these files
/// name tokens or ids that the vocabulary lacks.
TokenizerData read_hf_tokenizer(const std::filesystem::path& folder, const JsonObject& config,
                                std::uint32_t vocab_size);

}  // namespace kvwave::capture
