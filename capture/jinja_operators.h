// Operators of Jinja expressions, with Python's meaning. All throw Refusal.
#pragma once

#include <string_view>

#include "capture/jinja_value.h"

namespace kvwave::capture::jinja {

/// + - * / // % ** on numbers, + on texts and lists, * on text and number, ~ on anything.
Value combine(std::string_view sign, const Value& left, const Value& right);
Value signed_number(std::string_view sign, const Value& operand);
/// == != < <= > >= in "not in"
bool compare(std::string_view sign, const Value& left, const Value& right);
/// object[from:to:step] of a list or text; None where a part is absent.
Value slice(const Value& object, const Value& from, const Value& to, const Value& step);

}  // namespace kvwave::capture::jinja
