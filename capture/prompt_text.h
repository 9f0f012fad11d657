// Text that users hand over, and the token ids it becomes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capture/chat_template.h"
#include "capture/model.h"
#include "capture/tokenizer.h"

namespace kvwave::capture {

/// The bytes of a text file as they are, "-" = stdin. Throws BadPrompt: cannot be read (with the system's reason), a
/// folder, longer than 64 MiB.
std::string read_text_file(const std::filesystem::path& path);

/// How a prompt becomes what is fed.
struct PromptForm {
  bool raw = false;                   ///< as it is, without the model's chat template
  std::optional<std::string> system;  ///< a system message in front; not with raw
  std::optional<bool> thinking;       ///< the template's switch, where it has one; not with raw

  std::string name() const { return raw ? "raw" : "chat"; }
};

/// Token ids of a conversation in the model's chat template, or with `raw` of its single message as it is (special
/// tokens in it are recognised, BOS only where the model's file asks). Throws BadPrompt when a user's message is empty,
/// when `raw` meets several messages or `system` a conversation that has a system message; and what render_chat throws.
std::vector<std::int32_t> encode_prompt(const Tokenizer& tokenizer, const TokenizerData& data,
                                        std::span<const ChatMessage> messages, const PromptForm& form);

/// Token ids of text that continues the assistant's turn.
std::vector<std::int32_t> encode_continuation(const Tokenizer& tokenizer, std::string_view text);

}  // namespace kvwave::capture
