#include "capture/jinja_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "capture/error.h"
#include "capture/printable.h"

namespace kvwave::capture::jinja {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_part(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0U | (code >> 6));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  } else {
    out += static_cast<char>(0xe0U | (code >> 12));
    out += static_cast<char>(0x80U | ((code >> 6) & 0x3fU));
    out += static_cast<char>(0x80U | (code & 0x3fU));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : rest_(source) {}

  std::vector<Token> run() {
    while (!rest_.empty()) {
      const std::size_t tag = next_tag();
      std::string text(rest_.substr(0, tag));
      take(tag);
      if (!rest_.empty()) strip_before_tag(text);
      if (!text.empty()) add(TokenKind::text, std::move(text));
      if (rest_.starts_with("{#")) {
        comment();
      } else if (!rest_.empty()) {
        read_tag();
      }
    }
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw UnsupportedTemplate(fmt::format("chat template, line {}: {}", line_, what));
  }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  std::string_view take(std::size_t n) {
    const std::string_view front = rest_.substr(0, n);
    line_ += static_cast<int>(std::count(front.begin(), front.end(), '\n'));
    rest_.remove_prefix(front.size());
    return front;
  }

  std::size_t next_tag() const {
    for (std::size_t at = rest_.find('{'); at != std::string_view::npos; at = rest_.find('{', at + 1)) {
      const char next = at + 1 < rest_.size() ? rest_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return rest_.size();
  }

  // "-" takes all white space before the tag; else the blanks that a block or comment is indented by go.
  void strip_before_tag(std::string& text) const {
    const char mark = rest_.size() > 2 ? rest_[2] : '\0';
    if (mark == '-') {
      while (!text.empty() && is_space(text.back())) text.pop_back();
    } else if (mark != '+' && !rest_.starts_with("{{")) {
      const std::size_t line = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
      const bool blank = std::all_of(text.begin() + static_cast<std::ptrdiff_t>(line), text.end(), is_space);
      if (blank && (line > 0 || at_line_start_)) text.resize(line);
    }
  }

  // After a tag's end: "-" takes all white space, a block or comment the line break that follows it.
  void skip_after_tag(bool strips, bool is_block) {
    std::size_t n = 0;
    if (strips) {
      while (n < rest_.size() && is_space(rest_[n])) ++n;
    } else if (is_block && rest_.starts_with("\n")) {
      n = 1;
    }
    at_line_start_ = n > 0 && rest_[n - 1] == '\n';
    take(n);
  }

  void comment() {
    const std::size_t end = rest_.find("#}", 2);
    if (end == std::string_view::npos) fail("a comment that does not end");
    const bool strips = rest_[end - 1] == '-' && end > 2;
    take(end + 2);
    skip_after_tag(strips, true);
  }

  void read_tag() {
    const bool is_block = rest_.starts_with("{%");
    const std::string_view close = is_block ? "%}" : "}}";
    add(is_block ? TokenKind::begin_block : TokenKind::begin_write, "");
    take(2);
    if (rest_.starts_with("-") || rest_.starts_with("+")) take(1);
    int open = 0;  // brackets: {{ {'a': {}} }} ends where they are closed
    while (true) {
      while (!rest_.empty() && is_space(rest_.front())) take(1);
      if (rest_.empty()) fail("a tag that does not end");
      const bool strips = rest_.starts_with("-") && rest_.substr(1).starts_with(close);
      if (open == 0 && (strips || rest_.starts_with(close))) {
        take(strips ? 3 : 2);
        add(is_block ? TokenKind::end_block : TokenKind::end_write, "");
        return skip_after_tag(strips, is_block);
      }
      read_token(open);
    }
  }

  void read_token(int& open) {
    const char c = rest_.front();
    if (c == '\'' || c == '"') return read_string();
    if (is_digit(c)) return read_number();
    if (is_name_part(c)) {
      std::size_t n = 0;
      while (n < rest_.size() && is_name_part(rest_[n])) ++n;
      return add(TokenKind::name, std::string(take(n)));
    }
    static constexpr std::array<std::string_view, 26> kSigns = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                                                "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                                                "]",  "{",  "}",  ".",  ",",  ":",  "|", ";"};
    for (const std::string_view sign : kSigns) {
      if (!rest_.starts_with(sign)) continue;
      if (sign == "(" || sign == "[" || sign == "{") ++open;
      if (sign == ")" || sign == "]" || sign == "}") --open;
      return add(TokenKind::sign, std::string(take(sign.size())));
    }
    fail(fmt::format("character {} in a tag", printable(rest_.substr(0, 1))));
  }

  void read_number() {
    std::size_t n = 0;
    while (n < rest_.size() && is_digit(rest_[n])) ++n;
    const auto digits_from = [this](std::size_t at) {
      while (at < rest_.size() && is_digit(rest_[at])) ++at;
      return at;
    };
    bool is_real = n + 1 < rest_.size() && rest_[n] == '.' && is_digit(rest_[n + 1]);
    if (is_real) n = digits_from(n + 1);
    if (n < rest_.size() && (rest_[n] == 'e' || rest_[n] == 'E')) {
      const std::size_t sign = n + 1 < rest_.size() && (rest_[n + 1] == '-' || rest_[n + 1] == '+') ? 1 : 0;
      const std::size_t end = digits_from(n + 1 + sign);
      if (end > n + 1 + sign) {
        is_real = true;
        n = end;
      }
    }
    if (n > 18) fail("a number of more than 18 digits");
    add(is_real ? TokenKind::real : TokenKind::integer, std::string(take(n)));
  }

  void read_string() {
    const char quote = take(1).front();
    std::string text;
    while (true) {
      if (rest_.empty()) fail("a string that does not end");
      const char c = take(1).front();
      if (c == quote) break;
      if (c == '\\') {
        escape(text);
      } else {
        text += c;
      }
    }
    add(TokenKind::string, std::move(text));
  }

  void escape(std::string& text) {
    if (rest_.empty()) fail("a string that does not end");
    const char c = take(1).front();
    static constexpr std::string_view kLetters = "ntr\\'\"bfv", kMeaning = "\n\t\r\\'\"\b\f\v";
    if (const std::size_t at = kLetters.find(c); at != std::string_view::npos) {
      text += kMeaning[at];
    } else if (c == 'u' || c == 'x') {
      const std::size_t digits = c == 'u' ? 4 : 2;
      unsigned code = 0;
      const std::string_view hex = rest_.substr(0, digits);
      const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      if (hex.size() != digits || error != std::errc() || end != hex.data() + digits || (code & 0xf800U) == 0xd800U) {
        fail("an escape without its digits");
      }
      take(digits);
      append_utf8(text, code);
    } else if (c != '\n') {  // a backslash at the end of a line joins the lines
      text += '\\';
      text += c;
    }
  }

  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Token> tokenise(std::string_view source) {
  std::string unix_lines;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      unix_lines += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      unix_lines += '\n';
    }
  }
  if (unix_lines.ends_with('\n')) unix_lines.pop_back();
  return Lexer(unix_lines).run();
}

}  // namespace kvwave::capture::jinja
