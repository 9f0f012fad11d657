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

std::vector<std::int32_t> encode_prompt(const Tokenizer& tokenizer, const TokenizerData& data, std::string_view text,
                                        bool raw) {
  if (text.empty()) throw BadPrompt("the prompt is empty");
  return raw ? tokenizer.encode(text, true, true) : tokenizer.encode(render_chat(data, text), true, false);
}

std::vector<std::int32_t> encode_continuation(const Tokenizer& tokenizer, std::string_view text) {
  if (text.empty()) throw BadPrompt("the continuation is empty");
  return tokenizer.encode(text, true, false);
}

std::string prompt_form(const TokenizerData& data, bool raw) {
  return raw ? "raw" : std::string(to_string(recognise_chat_form(data)));
}

}  // namespace kvwave::capture
