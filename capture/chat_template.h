// From a user's message to the text the model expects. Known forms are recognised in the model's own Jinja text.
#pragma once

#include <string>
#include <string_view>

#include "capture/model.h"

namespace kvwave::capture {

enum class ChatForm { chatml, chatml_default_system, llama3 };
std::string_view to_string(ChatForm form);

/// Recognises the model's template. Throws UnsupportedModel when there is none or it is of no known form; the message
/// says that --raw feeds the text as it is.
ChatForm recognise_chat_form(const TokenizerData& data);

/// One user message plus the opening of the assistant's turn, special tokens written out (encode with special = true).
std::string render_chat(const TokenizerData& data, std::string_view user_message);

}  // namespace kvwave::capture
