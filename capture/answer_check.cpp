#include "capture/answer_check.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "capture/jinja_text_tools.h"

namespace kvwave::capture {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void drop_all(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) text.erase(at, what.size());
}

// The end of the group whose opening brace stands at `open`; npos when it does not end.
std::size_t group_end(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

std::optional<std::string> last_boxed(std::string_view text) {
  std::optional<std::string> found;
  for (const std::string_view command : {"\\boxed{", "\\fbox{"}) {
    for (std::size_t at = text.rfind(command); at != std::string_view::npos && !found;
         at = at == 0 ? std::string_view::npos : text.rfind(command, at - 1)) {
      const std::size_t open = at + command.size() - 1;
      const std::size_t end = group_end(text, open);
      if (end != std::string_view::npos) found = std::string(text.substr(open + 1, end - open - 1));
    }
  }
  return found;
}

std::optional<std::string> last_number(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  if (end == 0) return std::nullopt;
  std::size_t begin = end;
  const auto joins = [&](char c) { return is_digit(c) || c == '.' || c == ',' || c == '/'; };
  while (begin > 0 && joins(text[begin - 1])) --begin;
  while (begin < end && !is_digit(text[begin]) && text[begin] != '.') ++begin;
  if (begin > 0 && text[begin - 1] == '-' && (begin == 1 || !is_digit(text[begin - 2]))) --begin;
  return std::string(text.substr(begin, end - begin));
}

// A decimal number that fills the text.
std::optional<double> decimal(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789.-+") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> ratio(const std::optional<double>& top, const std::optional<double>& bottom) {
  return top && bottom && *bottom != 0 ? std::optional(*top / *bottom) : std::nullopt;
}

std::optional<double> value_of(const std::string& normal) {
  if (const auto plain = decimal(normal)) return plain;
  const bool negative = normal.starts_with('-');
  const std::string rest = normal.substr(negative ? 1 : 0);
  std::optional<double> value;
  if (rest.starts_with("\\frac{")) {
    const std::size_t middle = group_end(rest, 5);
    if (middle != std::string::npos && middle + 1 < rest.size() && rest[middle + 1] == '{' && rest.back() == '}') {
      value = ratio(decimal(rest.substr(6, middle - 6)), decimal(rest.substr(middle + 2, rest.size() - middle - 3)));
    }
  } else if (const std::size_t slash = rest.find('/'); slash != std::string::npos) {
    value = ratio(decimal(rest.substr(0, slash)), decimal(rest.substr(slash + 1)));
  }
  return value && negative ? -*value : value;
}

// "12 cm" and "12 apples" become 12: letters after a number are a unit.
void drop_unit(std::string& text) {
  const std::size_t end = text.find_first_not_of("0123456789.,-/ ");
  if (end == std::string::npos || end == 0 || !is_digit(text[text.find_last_not_of(' ', end - 1)])) return;
  const bool letters = std::all_of(text.begin() + static_cast<std::ptrdiff_t>(end), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ' || c == '.';
  });
  if (letters && text.size() - end > 1) text.resize(end);
}

}  // namespace

std::optional<std::string> final_answer(std::string_view text) {
  if (auto boxed = last_boxed(text)) return boxed;
  return last_number(text);
}

std::string normal_answer(std::string_view answer) {
  std::string text(jinja::strip(answer, jinja::Side::both));
  for (const std::string_view command : {"\\text{", "\\mbox{", "\\mathrm{", "\\textbf{"}) {
    const std::size_t at = text.find(command);
    const std::size_t end = at == std::string::npos ? at : group_end(text, at + command.size() - 1);
    if (end == std::string::npos) continue;
    // Words alone are the answer; after something else they are its unit.
    const std::string inner = text.substr(at + command.size(), end - at - command.size());
    text = at == 0 && end + 1 == text.size() ? inner : text.substr(0, at) + text.substr(end + 1);
  }
  for (const std::string_view each :
       {"\\left", "\\right", "\\!", "\\,", "\\;", "\\ ", "\\$", "$", "^\\circ", "^{\\circ}", "\\%", "%", "\xc2\xb0"}) {
    drop_all(text, each);
  }
  for (const std::string_view each : {"\\dfrac", "\\tfrac"}) {
    text = jinja::replace_all(text, each, "\\frac", -1);
  }
  drop_unit(text);
  drop_all(text, " ");
  for (std::size_t at = text.find(','); at != std::string::npos; at = text.find(',', at + 1)) {
    const bool between = at > 0 && is_digit(text[at - 1]) && at + 3 < text.size() && is_digit(text[at + 1]) &&
                         is_digit(text[at + 2]) && is_digit(text[at + 3]) &&
                         (at + 4 == text.size() || !is_digit(text[at + 4]));
    if (between) text.erase(at--, 1);
  }
  if (text.ends_with('.')) text.pop_back();
  return text;
}

bool same_answer(std::string_view given, std::string_view expected) {
  const std::string a = normal_answer(given), b = normal_answer(expected);
  if (a == b) return true;
  const auto x = value_of(a), y = value_of(b);
  return x && y && std::abs(*x - *y) <= 1e-9 * std::max(std::abs(*x), std::abs(*y));
}

namespace {

// The ends of the Wilson interval at 95 %: side -1 the lower, 1 the upper.
double wilson(double right, double total, double side) {
  constexpr double kZ = 1.959963984540054;
  if (total == 0) return side < 0 ? 0.0 : 1.0;
  const double p = right / total, z2 = kZ * kZ;
  const double spread = kZ * std::sqrt(p * (1 - p) / total + z2 / (4 * total * total));
  return std::clamp((p + z2 / (2 * total) + side * spread) / (1 + z2 / total), 0.0, 1.0);
}

}  // namespace

double Accuracy::share() const {
  return total == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(total);
}
double Accuracy::low() const {
  return wilson(static_cast<double>(right), static_cast<double>(total), -1);
}
double Accuracy::high() const {
  return wilson(static_cast<double>(right), static_cast<double>(total), 1);
}

}  // namespace kvwave::capture
