#include "capture/chat_template.h"

#include <optional>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/jinja_text.h"

namespace kvwave::capture {
namespace {

// The known templates in the spelling of normalise_jinja().
constexpr std::string_view kNoPromptByDefault =
    "{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}";
constexpr std::string_view kEachMessage = "{%formessageinmessages%}";
constexpr std::string_view kSystemBefore = "{%ifloop.firstandmessages[0]['role']!='system'%}{{'<|im_start|>system\n";
constexpr std::string_view kSystemAfter = "<|im_end|>\n'}}{%endif%}";
constexpr std::string_view kChatMlTurns =
    "{{'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>\n'}}{%endfor%}"
    "{%ifadd_generation_prompt%}{{'<|im_start|>assistant\n'}}{%endif%}";
constexpr std::string_view kLlama3Turns =
    "{%setloop_messages=messages%}{%formessageinloop_messages%}"
    "{%setcontent='<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'%}"
    "{%ifloop.index0==0%}{%setcontent=bos_token+content%}{%endif%}{{content}}{%endfor%}";
constexpr std::string_view kLlama3Opening = "{{'<|start_header_id|>assistant<|end_header_id|>\n\n'}}";
constexpr std::string_view kLlama3OpeningIfAsked =
    "{%ifadd_generation_prompt%}{{'<|start_header_id|>assistant<|end_header_id|>\n\n'}}{%endif%}";

struct Recognised {
  ChatForm form = ChatForm::chatml;
  std::string system;  // the template's own system message
};

// chatml and chatml_default_system; `text` begins after the loop's opening.
std::optional<Recognised> recognise_chatml(std::string_view text) {
  if (text == kChatMlTurns) return Recognised{ChatForm::chatml, ""};
  if (!text.starts_with(kSystemBefore)) return std::nullopt;
  text.remove_prefix(kSystemBefore.size());
  const std::size_t end = text.find(kSystemAfter);
  if (end == std::string_view::npos || text.substr(end + kSystemAfter.size()) != kChatMlTurns) return std::nullopt;
  const std::string_view system = text.substr(0, end);
  if (system.find_first_of("'\\") != std::string_view::npos) return std::nullopt;  // an expression or an escape
  return Recognised{ChatForm::chatml_default_system, std::string(system)};
}

std::optional<Recognised> recognise_llama3(std::string_view text) {
  if (text.starts_with(kLlama3Turns)) {
    const std::string_view opening = text.substr(kLlama3Turns.size());
    if (opening == kLlama3Opening || opening == kLlama3OpeningIfAsked) return Recognised{ChatForm::llama3, ""};
  }
  // The templates of 3.1 and 3.2 are long programs for tool calls; with one user message they all write the same.
  for (const std::string_view mark :
       {"Cutting Knowledge Date: December 2023\n", "26 Jul 2024", "<|start_header_id|>system<|end_header_id|>\n\n"}) {
    if (text.find(mark) == std::string_view::npos) return std::nullopt;
  }
  return Recognised{ChatForm::llama3_dated, ""};
}

Recognised recognise(const TokenizerData& data) {
  if (data.chat_template.empty()) {
    throw UnsupportedModel(
        fmt::format("{}: the model has no chat template; --raw feeds the text as it is", data.source));
  }
  const std::string normal = normalise_jinja(data.chat_template);
  std::string_view text = normal;
  if (text.starts_with(kNoPromptByDefault)) text.remove_prefix(kNoPromptByDefault.size());
  std::optional<Recognised> found = recognise_llama3(text);
  if (text.starts_with(kEachMessage)) found = recognise_chatml(text.substr(kEachMessage.size()));
  if (!found) {
    throw UnsupportedModel(
        fmt::format("{}: the model's chat template is of no known form (chatml, llama3); --raw feeds the text as it is",
                    data.source));
  }
  return *found;
}

std::string_view bos_text(const TokenizerData& data) {
  return data.bos >= 0 ? std::string_view(data.pieces[static_cast<std::size_t>(data.bos)]) : "";
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string chatml_turn(std::string_view role, std::string_view content) {
  return fmt::format("<|im_start|>{}\n{}<|im_end|>\n", role, content);
}
std::string llama3_turn(std::string_view role, std::string_view content) {
  return fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>", role, content);
}

}  // namespace

std::string_view to_string(ChatForm form) {
  switch (form) {
    case ChatForm::chatml:
      return "chatml";
    case ChatForm::chatml_default_system:
      return "chatml_default_system";
    case ChatForm::llama3:
      return "llama3";
    case ChatForm::llama3_dated:
      return "llama3_dated";
  }
  return "unknown";
}

ChatForm recognise_chat_form(const TokenizerData& data) {
  return recognise(data).form;
}

std::string render_chat(const TokenizerData& data, std::string_view user_message) {
  const Recognised known = recognise(data);
  std::string text;
  switch (known.form) {
    case ChatForm::chatml_default_system:
      text += chatml_turn("system", known.system);
      [[fallthrough]];
    case ChatForm::chatml:
      return text + chatml_turn("user", user_message) + "<|im_start|>assistant\n";
    case ChatForm::llama3_dated:
    case ChatForm::llama3:
      text += bos_text(data);
      if (known.form == ChatForm::llama3_dated) {
        text += llama3_turn("system", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
      }
      return text + llama3_turn("user", trimmed(user_message)) + "<|start_header_id|>assistant<|end_header_id|>\n\n";
  }
  return text;
}

}  // namespace kvwave::capture
