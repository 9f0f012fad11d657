// tokenizer.json of the `tokenizers` library: byte-level BPE, which all model families that kvwave knows use.
#pragma once

#include <cstdint>
#include <string>

#include "capture/json_reader.h"
#include "capture/model.h"

namespace kvwave::capture {

/// Vocabulary, merges, added tokens, pre-tokenizer, normaliser, and BOS where the post-processor puts one in front.
/// Ids up to vocab_size that the file does not name become unused pieces, as models pad their embedding.
/// Throws BadModelFile (two pieces with one id, merges of another form), VocabularyMismatch (an id that the embedding
/// has no row for), and UnsupportedModel naming what kvwave does not know: another model type, normaliser,
/// pre-tokenizer or pattern, post-processor, or an added token that strips the text around it.
TokenizerData read_tokenizer_json(const nlohmann::json& json, const std::string& source, std::uint32_t vocab_size);

}  // namespace kvwave::capture
