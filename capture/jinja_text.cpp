#include "capture/jinja_text.h"

#include <cstddef>

namespace kvwave::capture {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void strip_end(std::string& text) {
  while (!text.empty() && is_space(text.back())) text.pop_back();
}

// Blanks between the start of a line and a block tag.
void strip_indent(std::string& text) {
  std::size_t end = text.size();
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  if (end == 0 || text[end - 1] == '\n') text.resize(end);
}

// In one pass: a template may be as long as its file.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

/// Reads a template once from left to right.
class Normaliser {
 public:
  explicit Normaliser(std::string_view text) : rest_(text) {}

  std::string run() {
    std::string literal;
    while (!rest_.empty()) {
      if (rest_.starts_with("{%") || rest_.starts_with("{{")) {
        if (rest_.substr(2).starts_with("-")) {
          strip_end(literal);
        } else if (rest_.starts_with("{%")) {
          strip_indent(literal);
        }
        out_ += literal;
        literal.clear();
        tag();
      } else {
        literal += take(1);
      }
    }
    return out_ + literal;
  }

 private:
  std::string_view take(std::size_t n) {
    const std::string_view front = rest_.substr(0, n);
    rest_.remove_prefix(front.size());
    return front;
  }

  void tag() {
    const std::string_view close = rest_.starts_with("{%") ? "%}" : "}}";
    out_ += take(2);
    if (rest_.starts_with("-")) take(1);
    while (!rest_.empty()) {
      const bool trims = rest_.starts_with("-") && rest_.substr(1).starts_with(close);
      if (trims) take(1);
      if (rest_.starts_with(close)) {
        out_ += take(2);
        skip_after(trims, close == "%}");
        return;
      }
      const char c = rest_.front();
      if (c == '\'' || c == '"') {
        string_literal();
      } else {
        take(1);
        if (!is_space(c)) out_ += c;
      }
    }
  }

  void skip_after(bool trims, bool is_block) {
    if (is_block && rest_.starts_with("\n")) take(1);
    while (trims && !rest_.empty() && is_space(rest_.front())) take(1);
  }

  void string_literal() {
    const char quote = take(1).front();
    out_ += '\'';
    while (!rest_.empty() && rest_.front() != quote) {
      if (rest_.starts_with("\\n")) {
        take(2);
        out_ += '\n';
      } else {
        out_ += take(rest_.front() == '\\' ? 2 : 1);
      }
    }
    take(1);
    out_ += '\'';
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

std::string normalise_jinja(std::string_view text) {
  const std::string joined = replace_all(Normaliser(text).run(), "'+'", "");
  return replace_all(replace_all(joined, "message.role", "message['role']"), "message.content", "message['content']");
}

}  // namespace kvwave::capture
