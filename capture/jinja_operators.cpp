#include "capture/jinja_operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "capture/jinja_builtins.h"

namespace kvwave::capture::jinja {
namespace {

[[noreturn]] void refuse(std::string_view sign, const Value& left, const Value& right) {
  throw Refusal{fmt::format("operator '{}' between {} and {}", sign, left.type_name(), right.type_name())};
}

std::optional<std::int64_t> whole(const Value& value) {
  if (const bool* truth = value.boolean()) return *truth ? 1 : 0;
  if (const std::int64_t* number = value.integer()) return *number;
  return std::nullopt;
}
std::optional<double> number(const Value& value) {
  if (const double* real = value.real()) return *real;
  if (const auto integer = whole(value)) return static_cast<double>(*integer);
  return std::nullopt;
}

Value combine_whole(std::string_view sign, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (sign == "+") overflow = __builtin_add_overflow(a, b, &result);
  if (sign == "-") overflow = __builtin_sub_overflow(a, b, &result);
  if (sign == "*") overflow = __builtin_mul_overflow(a, b, &result);
  if (sign == "//" || sign == "%") {
    if (b == 0) throw Refusal{"a division by zero"};
    if (b == -1) {
      overflow = a == std::numeric_limits<std::int64_t>::min();
      result = sign == "%" || overflow ? 0 : -a;
    } else {  // Python rounds down, C++ toward zero
      const std::int64_t rest = a % b;
      const bool down = rest != 0 && (rest < 0) != (b < 0);
      result = sign == "//" ? a / b - (down ? 1 : 0) : rest + (down ? b : 0);
    }
  }
  if (overflow) throw Refusal{"a whole number beyond 64 bits"};
  return result;
}

Value combine_real(std::string_view sign, double a, double b) {
  if (sign == "+") return a + b;
  if (sign == "-") return a - b;
  if (sign == "*") return a * b;
  if (sign == "**") return std::pow(a, b);
  if (b == 0) throw Refusal{"a division by zero"};
  if (sign == "/") return a / b;
  return sign == "//" ? std::floor(a / b) : a - b * std::floor(a / b);
}

Value repeated(const std::string& text, std::int64_t times) {
  if (times > 0 && text.size() > kLongestText / static_cast<std::size_t>(times)) throw Refusal{"a text too long"};
  std::string out;
  for (std::int64_t i = 0; i < times && !text.empty(); ++i) out += text;
  return out;
}

}  // namespace

Value combine(std::string_view sign, const Value& left, const Value& right) {
  if (sign == "~") return left.to_text() + right.to_text();
  const auto a = whole(left), b = whole(right);
  if (a && b && sign != "/" && sign != "**") return combine_whole(sign, *a, *b);
  const auto x = number(left), y = number(right);
  if (x && y) {
    const Value result = combine_real(sign, *x, *y);
    const bool stays_whole = a && b && sign == "**" && *b >= 0 && std::abs(*result.real()) < 0x1p53;
    return stays_whole ? Value(static_cast<std::int64_t>(*result.real())) : result;
  }
  if (sign == "+" && left.text() != nullptr && right.text() != nullptr) {
    if (left.text()->size() + right.text()->size() > kLongestText) throw Refusal{"a text too long"};
    return *left.text() + *right.text();
  }
  if (sign == "+" && left.list() != nullptr && right.list() != nullptr) {
    List all = *left.list();
    all.insert(all.end(), right.list()->begin(), right.list()->end());
    return all;
  }
  if (sign == "*" && left.text() != nullptr && b) return repeated(*left.text(), *b);
  refuse(sign, left, right);
}

Value signed_number(std::string_view sign, const Value& operand) {
  if (const auto integer = whole(operand)) return combine_whole(sign, 0, *integer);
  if (const auto real = number(operand)) return sign == "-" ? -*real : *real;
  throw Refusal{fmt::format("operator '{}' before {}", sign, operand.type_name())};
}

bool compare(std::string_view sign, const Value& left, const Value& right) {
  if (sign == "==") return equal(left, right);
  if (sign == "!=") return !equal(left, right);
  if (sign == "in") return contains(right, left);
  if (sign == "not in") return !contains(right, left);
  int order = 0;
  if (const auto x = number(left), y = number(right); x && y) {
    order = *x < *y ? -1 : *x > *y ? 1 : 0;
  } else if (left.text() != nullptr && right.text() != nullptr) {
    order = left.text()->compare(*right.text());
  } else {
    refuse(sign, left, right);
  }
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  return sign == ">" ? order > 0 : order >= 0;
}

Value slice(const Value& object, const Value& from, const Value& to, const Value& step_value) {
  if (object.list() == nullptr && object.text() == nullptr) {
    throw Refusal{fmt::format("a slice of a {}", object.type_name())};
  }
  const List items = iterate(object);
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t step = step_value.is_none() ? 1 : whole(step_value).value_or(0);
  if (step == 0 || step < -(std::int64_t{1} << 31) || step > (std::int64_t{1} << 31)) {
    throw Refusal{"a slice with an impossible step"};
  }
  const auto bound = [&](const Value& value, std::int64_t absent) {
    if (value.is_none()) return absent;
    const auto given = whole(value);
    if (!given) throw Refusal{fmt::format("a slice by a {}", value.type_name())};
    const std::int64_t index = *given < 0 ? std::max(*given, -size - 1) + size : *given;
    return step > 0 ? std::clamp<std::int64_t>(index, 0, size) : std::clamp<std::int64_t>(index, -1, size - 1);
  };
  const std::int64_t first = bound(from, step > 0 ? 0 : size - 1);
  const std::int64_t last = bound(to, step > 0 ? size : -1);
  List kept;
  for (std::int64_t i = first; step > 0 ? i < last : i > last; i += step) {
    kept.push_back(items[static_cast<std::size_t>(i)]);
  }
  if (object.text() == nullptr) return kept;
  std::string text;
  for (const Value& character : kept) text += *character.text();
  return text;
}

}  // namespace kvwave::capture::jinja
