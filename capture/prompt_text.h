// Text that users hand over, and the token ids it becomes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "capture/model.h"
#include "capture/tokenizer.h"

namespace kvwave::capture {

/// The bytes of a text file as they are, "-" = stdin. Throws BadPrompt: cannot be read (with the system's reason), a
/// folder, longer than 64 MiB.
std::string read_text_file(const std::filesystem::path& path);

/// Token ids of a prompt: as the user's message in the model's chat template, or with `raw` as it is (special tokens in
/// it are recognised, BOS only where the model's file asks). Throws BadPrompt when the text is empty, UnsupportedModel
/// when the model's template is of no known form.
std::vector<std::int32_t> encode_prompt(const Tokenizer& tokenizer, const TokenizerData& data, std::string_view text,
                                        bool raw);

/// Token ids of text that continues the assistant's turn.
std::vector<std::int32_t> encode_continuation(const Tokenizer& tokenizer, std::string_view text);

/// "raw", or the name of the model's chat form.
std::string prompt_form(const TokenizerData& data, bool raw);

}  // namespace kvwave::capture
