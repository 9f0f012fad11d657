// From a user's message to the text the model expects. Models carry their chat template as a Jinja program; kvwave runs
// no Jinja but recognises the known forms in that text and writes what they would.
#pragma once

#include <string>
#include <string_view>

#include "capture/model.h"

namespace kvwave::capture {

enum class ChatForm {
  chatml,                 ///< <|im_start|>role\n...<|im_end|>\n
  chatml_default_system,  ///< the same, with a system message of the template's own when the user gives none
  llama3,                 ///< BOS, <|start_header_id|>role<|end_header_id|>\n\n...<|eot_id|>; messages are trimmed
  llama3_dated,           ///< Llama 3.1 and 3.2: the same after a system turn with knowledge and current date; the
                          ///< current date is always the template's own default, 26 Jul 2024, so that runs repeat
};
std::string_view to_string(ChatForm form);  ///< "chatml", "chatml_default_system", ...

/// Recognises the model's template, whatever its spacing, quotes and line breaks. Throws UnsupportedModel when there is
/// none or it is of no known form; the message says that --raw feeds the text as it is.
ChatForm recognise_chat_form(const TokenizerData& data);

/// One user message plus the opening of the assistant's turn, special tokens written out, BOS included where the form
/// has it: encode with special = true and add_bos = false. Throws as recognise_chat_form.
std::string render_chat(const TokenizerData& data, std::string_view user_message);

}  // namespace kvwave::capture
