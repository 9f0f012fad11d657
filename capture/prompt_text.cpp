#include "capture/prompt_text.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "capture/chat_template.h"
#include "capture/error.h"

namespace kvwave::capture {
namespace {

constexpr std::size_t kLongestText = std::size_t{64} << 20;

std::string read_stream(std::FILE* file, const std::string& name) {
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t got = std::fread(buffer, 1, sizeof(buffer), file)) {
    text.append(buffer, got);
    if (text.size() > kLongestText) {
      throw BadPrompt(fmt::format("{}: longer than {} MiB, the most that is read as text", name, kLongestText >> 20));
    }
  }
  if (std::ferror(file) != 0) throw BadPrompt(fmt::format("{}: cannot be read: {}", name, std::strerror(errno)));
  return text;
}

}  // namespace

std::string read_text_file(const std::filesystem::path& path) {
  if (path == "-") return read_stream(stdin, "standard input");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw BadPrompt(fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
  return read_stream(file.get(), path.string());
}

std::vector<std::int32_t> encode_prompt(const Tokenizer& tokenizer, const TokenizerData& data,
                                        std::span<const ChatMessage> messages, const PromptForm& form) {
  if (messages.empty()) throw BadPrompt("the conversation holds no message");
  for (const ChatMessage& message : messages) {
    if (message.role == "user" && message.content.empty()) throw BadPrompt("the prompt is empty");
  }
  if (form.raw) {
    if (messages.size() > 1) throw BadPrompt("--raw feeds one text, but the conversation has several messages");
    return tokenizer.encode(messages.front().content, true, true);
  }
  std::vector<ChatMessage> all(messages.begin(), messages.end());
  if (form.system) {
    if (all.front().role == "system") throw BadPrompt("--system, but the conversation has a system message of its own");
    all.insert(all.begin(), {"system", *form.system});
  }
  return tokenizer.encode(render_chat(data, all, form.thinking), true, false);
}

std::vector<std::int32_t> encode_continuation(const Tokenizer& tokenizer, std::string_view text) {
  if (text.empty()) throw BadPrompt("the continuation is empty");
  return tokenizer.encode(text, true, false);
}

}  // namespace kvwave::capture
