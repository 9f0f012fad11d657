#include "capture/chat_template.h"

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/jinja_evaluator.h"

namespace kvwave::capture {
namespace {

constexpr const char* kThinkingSwitch = "enable_thinking";

template <typename Use>
auto with_file_named(const TokenizerData& data, const Use& use) {
  const std::string& file = data.template_source.empty() ? data.source : data.template_source;
  try {
    return use();
  } catch (const UnsupportedTemplate& error) {
    throw UnsupportedTemplate(fmt::format("{}: {}; --raw feeds the text as it is", file, error.what()));
  } catch (const BadPrompt& error) {
    throw BadPrompt(fmt::format("{}: {}", file, error.what()));
  }
}

jinja::Node parse_template(const TokenizerData& data) {
  if (data.chat_template.empty()) throw UnsupportedTemplate("the model has no chat template");
  return jinja::parse(data.chat_template);
}

std::string piece(const TokenizerData& data, std::int32_t id) {
  return id >= 0 ? data.pieces[static_cast<std::size_t>(id)] : std::string();
}

}  // namespace

void check_chat_template(const TokenizerData& data) {
  with_file_named(data, [&] { parse_template(data); });
}

bool has_thinking_switch(const TokenizerData& data) {
  return data.chat_template.find(kThinkingSwitch) != std::string::npos;
}

std::string render_chat(const TokenizerData& data, std::span<const ChatMessage> messages,
                        std::optional<bool> thinking) {
  return with_file_named(data, [&] {
    const jinja::Node program = parse_template(data);
    if (thinking && !has_thinking_switch(data)) {
      throw BadPrompt("the model's chat template has no switch for thinking (enable_thinking)");
    }
    jinja::List list;
    for (const ChatMessage& message : messages) {
      jinja::Dict dict;
      dict.set("role", message.role);
      dict.set("content", message.content);
      list.emplace_back(std::move(dict));
    }
    jinja::Dict variables;
    variables.set("messages", std::move(list));
    variables.set("tools", jinja::None{});
    variables.set("documents", jinja::None{});
    variables.set("add_generation_prompt", true);
    variables.set("bos_token", piece(data, data.bos));
    variables.set("eos_token", piece(data, data.eos));
    if (thinking) variables.set(kThinkingSwitch, *thinking);
    return jinja::render(program, variables);
  });
}

}  // namespace kvwave::capture
