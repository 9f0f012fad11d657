#include "capture/answer_check.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "capture/answer_spelling.h"

namespace kvwave::capture {
namespace {

using answer::is_digit;

std::optional<std::string> last_boxed(std::string_view text) {
  std::vector<std::size_t> open;  // braces that are not closed yet
  std::size_t begin = 0, end = 0;
  bool found = false, found_boxed = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '}' || text[i + 1] == '\\')) {
      ++i;
    } else if (text[i] == '{') {
      open.push_back(i);
    } else if (text[i] == '}' && !open.empty()) {
      const std::string_view before = text.substr(0, open.back());
      const bool boxed = before.ends_with("\\boxed");
      if (boxed || (before.ends_with("\\fbox") && !found_boxed)) {
        const bool later = !found || open.back() >= begin || (boxed && !found_boxed);
        if (later) {
          begin = open.back() + 1;
          end = i;
        }
        found = true;
        found_boxed = found_boxed || boxed;
      }
      open.pop_back();
    }
  }
  return found ? std::optional(std::string(text.substr(begin, end - begin))) : std::nullopt;
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
  if (const std::size_t frac = rest.find("\\frac{"); frac != std::string::npos) {
    // Digits in front make a mixed number.
    const std::string whole = rest.substr(0, frac);
    const std::size_t top = frac + 5, middle = answer::group_end(rest, top);
    const bool is_ratio = std::all_of(whole.begin(), whole.end(), is_digit) && middle != std::string::npos &&
                          middle + 1 < rest.size() && rest[middle + 1] == '{' && rest.back() == '}';
    if (is_ratio) {
      value = ratio(decimal(rest.substr(top + 1, middle - top - 1)),
                    decimal(rest.substr(middle + 2, rest.size() - middle - 3)));
      if (value && !whole.empty()) *value += std::strtod(whole.c_str(), nullptr);
    }
  } else if (const std::size_t slash = rest.find('/'); slash != std::string::npos) {
    value = ratio(decimal(rest.substr(0, slash)), decimal(rest.substr(slash + 1)));
  }
  return value && negative ? -*value : value;
}

// Digits of a whole number without leading zeros; "" for anything else.
std::string whole_number(const std::string& text) {
  const bool negative = text.starts_with('-');
  const std::string digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return "";
  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  std::string number(negative ? 1 : 0, '-');
  return number.append(digits, first);
}

struct List {
  std::string open, close;
  std::vector<std::string> items;
};

// The parts between commas that no bracket encloses; brackets around all of them apart.
List list_of(const std::string& text) {
  List list;
  std::string inner = text;
  for (const std::string_view bracket : {"\\{", "(", "["}) {
    if (inner.starts_with(bracket)) list.open = bracket;
  }
  for (const std::string_view bracket : {"\\}", ")", "]"}) {
    if (inner.ends_with(bracket)) list.close = bracket;
  }
  if (list.open.empty() || list.close.empty() || list.open.size() + list.close.size() > inner.size()) {
    list.open = list.close = "";
  }
  inner = inner.substr(list.open.size(), inner.size() - list.open.size() - list.close.size());
  int depth = 0;
  std::string item;
  for (const char c : inner) {
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth < 0) return {"", "", {text}};  // the outer brackets are not one pair: (1,2)\cup(3,4)
    if (c == ',' && depth == 0) {
      list.items.push_back(std::move(item));
      item.clear();
    } else {
      item += c;
    }
  }
  list.items.push_back(std::move(item));
  return list;
}

// Both are normal. Entries of lists are compared as such, one level deep: what is nested deeper as text.
bool same_normal(const std::string& a, const std::string& b, bool lists) {
  if (a == b) return true;
  const std::string m = whole_number(a), n = whole_number(b);
  if (!m.empty() && !n.empty()) return m == n;
  const auto x = value_of(a), y = value_of(b);
  if (x && y) return std::abs(*x - *y) <= 1e-12 * std::max(std::abs(*x), std::abs(*y));
  if (!lists) return false;
  const List p = list_of(a), q = list_of(b);
  return p.items.size() == q.items.size() && (p.items.size() > 1 || !p.open.empty()) && p.open == q.open &&
         p.close == q.close &&
         std::equal(p.items.begin(), p.items.end(), q.items.begin(),
                    [](const auto& s, const auto& t) { return same_normal(s, t, false); });
}

}  // namespace

std::optional<std::string> final_answer(std::string_view text) {
  if (auto boxed = last_boxed(text)) return boxed;
  return last_number(text);
}

bool same_answer(std::string_view given, std::string_view expected) {
  return same_normal(normal_answer(given), normal_answer(expected), true);
}

}  // namespace kvwave::capture
