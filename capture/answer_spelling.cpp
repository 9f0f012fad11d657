#include "capture/answer_spelling.h"

#include <algorithm>
#include <array>
#include <string>

#include "capture/answer_check.h"
#include "capture/jinja_text_tools.h"

namespace kvwave::capture {
namespace answer {

std::size_t group_end(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace answer
namespace {

using answer::group_end;
using answer::is_digit;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void drop_all(std::string& text, std::string_view what) {
  text = jinja::replace_all(text, what, "", -1);
}

// Words alone are the answer; after something else they are its unit, with the power that may follow.
void drop_text_commands(std::string& text) {
  for (const std::string_view command : {"\\text{", "\\mbox{", "\\mathrm{", "\\textbf{"}) {
    for (std::size_t at = text.find(command); at != std::string::npos; at = text.find(command)) {
      std::size_t end = group_end(text, at + command.size() - 1);
      if (end == std::string::npos) break;
      if (at == 0) {  // its words stay, whatever follows
        text = text.substr(command.size(), end - command.size()) + text.substr(end + 1);
        continue;
      }
      ++end;
      if (text.substr(end, 2) == "^{") {
        const std::size_t power = group_end(text, end + 1);
        if (power != std::string::npos) end = power + 1;
      } else if (end + 1 < text.size() && text[end] == '^' && is_digit(text[end + 1])) {
        end += 2;
      }
      text.erase(at, end - at);
    }
  }
}

// The argument of a command at `at`, braces added where it is a single character: {270}, 4. Moves `at` behind it.
std::string argument(const std::string& text, std::size_t& at) {
  while (at < text.size() && text[at] == ' ') ++at;
  if (at >= text.size()) return "";
  if (text[at] == '{') {
    const std::size_t begin = at, end = group_end(text, at);
    if (end == std::string::npos) return "";
    at = end + 1;
    return text.substr(begin, at - begin);
  }
  if (!is_digit(text[at]) && !is_letter(text[at])) return "";
  return std::string("{") + text[at++] + "}";
}

// \frac12 as \frac{1}{2} and \sqrt2 as \sqrt{2}: one pass, what cannot be read stays as it is.
std::string brace_arguments(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool frac = text.compare(i, 5, "\\frac") == 0, root = text.compare(i, 5, "\\sqrt") == 0;
    std::size_t at = i + 5;
    const std::string first = frac || root ? argument(text, at) : "";
    const std::string second = frac && !first.empty() ? argument(text, at) : "";
    if (first.empty() || (frac && second.empty())) {
      out += text[i++];
      continue;
    }
    out += (frac ? "\\frac" : "\\sqrt") + first + second;
    i = at;
  }
  return out;
}

// "12 cm" and "12 apples" become 12: words behind a number and a space are a unit; without the space well-known ones.
void drop_unit(std::string& text) {
  const std::size_t end = text.find_first_not_of("0123456789.,-/ ");
  if (end == std::string::npos || end == 0 || !is_digit(text[text.find_last_not_of(' ', end - 1)])) return;
  std::string unit = text.substr(end);
  if (unit.ends_with('.')) unit.pop_back();
  const bool letters = std::all_of(unit.begin(), unit.end(), [](char c) { return is_letter(c) || c == ' '; });
  if (!letters || unit.size() < 2 || unit == "pi") return;
  constexpr std::array<std::string_view, 22> kKnown = {"cm", "mm",  "km",  "kg",  "mg",   "ml",      "ft",    "in",
                                                       "mi", "mph", "min", "sec", "deg",  "degrees", "cents", "units",
                                                       "th", "st",  "nd",  "rd",  "days", "hours"};
  const bool apart = text[end - 1] == ' ';
  if (apart || std::find(kKnown.begin(), kKnown.end(), unit) != kKnown.end()) text.resize(end);
}

// Commas between three digits and a digit in front: 1,234,567.
void drop_thousands(std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto digit = [&](std::size_t i) { return i < text.size() && is_digit(text[i]); };
    const bool between = text[at] == ',' && at > 0 && is_digit(text[at - 1]) && digit(at + 1) && digit(at + 2) &&
                         digit(at + 3) && !digit(at + 4);
    if (!between) out += text[at];
  }
  text = std::move(out);
}

// x^{2} as x^2 and 52_{8} as 52_8.
void drop_single_braces(std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool single = (text[i] == '^' || text[i] == '_') && i + 3 < text.size() && text[i + 1] == '{' &&
                        text[i + 3] == '}' && (is_digit(text[i + 2]) || is_letter(text[i + 2]));
    out += text[i];
    if (!single) continue;
    out += text[i + 2];
    i += 3;
  }
  text = std::move(out);
}

// "x=5" and "x\in[1,2]" answer with what follows.
void drop_variable(std::string& text) {
  if (text.size() < 3 || !is_letter(text[0])) return;
  const std::string_view rest = std::string_view(text).substr(1);
  if (rest.starts_with('=') && rest.find('=', 1) == std::string_view::npos) {
    text.erase(0, 2);
  } else if (rest.starts_with("\\in") && rest.size() > 3 && !is_letter(rest[3])) {
    text.erase(0, 4);
  }
}

}  // namespace

std::string normal_answer(std::string_view given) {
  std::string text(jinja::strip(given, jinja::Side::both));
  text = jinja::replace_all(text, "\\\\", ";", -1);  // rows of a matrix, before "\\ " means a space
  drop_text_commands(text);
  for (const std::string_view each : {"\\left", "\\right", "\\!", "\\,", "\\;", "\\:", "\\ ", "\\$", "$", "^\\circ",
                                      "^{\\circ}", "\\%", "%", "\xc2\xb0", "\\displaystyle"}) {
    drop_all(text, each);
  }
  for (const std::string_view each : {"\\dfrac", "\\tfrac", "\\cfrac"}) {
    text = jinja::replace_all(text, each, "\\frac", -1);
  }
  text = std::string(jinja::strip(text, jinja::Side::both));
  drop_unit(text);
  text = brace_arguments(text);
  drop_all(text, " ");
  drop_thousands(text);
  drop_single_braces(text);
  drop_variable(text);
  while (text.ends_with('.')) text.pop_back();
  if (text.size() == 3 && text.front() == '(' && text.back() == ')' && is_letter(text[1])) text = text.substr(1, 1);
  if (text.size() > 1 && std::all_of(text.begin(), text.end(), is_letter)) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  }
  return text;
}

}  // namespace kvwave::capture
