// From messages to the text the model expects. Models carry their chat template as a Jinja program; kvwave runs the
// part of Jinja that these programs use (jinja_evaluator.h).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "capture/model.h"

namespace kvwave::capture {

struct ChatMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
};

// Errors begin with the file that holds the template: a GGUF file, tokenizer_config.json or chat_template.jinja; with
// the model's folder where neither has one.

/// Throws UnsupportedTemplate when the model has no chat template or it cannot be parsed; says which construct and that
/// --raw feeds the text as it is.
void check_chat_template(const TokenizerData& data);

/// Whether the template asks for `enable_thinking`: Qwen3 and others write an empty <think> block where it is false.
bool has_thinking_switch(const TokenizerData& data);

/// The messages plus the opening of the assistant's turn (for the R1 distills that includes <think>), special tokens
/// written out, BOS included where the template has it: encode with special = true and add_bos = false. The template
/// gets what transformers gives it, without strftime_now: a template then uses the date it states itself, so runs
/// repeat. Throws UnsupportedTemplate naming the construct, BadPrompt when the template refuses the conversation, or
/// when `thinking` is given and the template has no such switch.
std::string render_chat(const TokenizerData& data, std::span<const ChatMessage> messages,
                        std::optional<bool> thinking = std::nullopt);

}  // namespace kvwave::capture
