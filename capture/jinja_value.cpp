#include "capture/jinja_value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

namespace kvwave::capture::jinja {
namespace {

// Numbers compare across types, and True is 1.
std::optional<double> as_number(const Value& value) {
  if (const bool* truth = value.boolean()) return *truth ? 1.0 : 0.0;
  if (const std::int64_t* number = value.integer()) return static_cast<double>(*number);
  if (const double* number = value.real()) return *number;
  return std::nullopt;
}

std::size_t add_weight(std::size_t a, std::size_t b) {
  return a + std::min(b, std::numeric_limits<std::size_t>::max() - a);
}

std::string real_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string python_literal(const std::string& text) {
  const char quote = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 32) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Members of a list or dict between brackets, on lines of their own where there is an indent.
template <typename Items, typename Write>
std::string json_members(const Items& items, char open, char close, int indent, int depth, const Write& write) {
  std::string out(1, open);
  if (items.empty()) return out + close;
  const auto line = [&](int level) {
    return indent < 0 ? std::string() : std::string(1, '\n').append(static_cast<std::size_t>(indent * level), ' ');
  };
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += indent < 0 ? ", " : ",";
    first = false;
    out += line(depth + 1) + write(item);
    check_length(out);
  }
  return out + line(depth) + close;
}

std::string json_at(const Value& value, int indent, int depth) {
  if (value.is_none() || value.is_undefined()) return "null";
  if (const bool* truth = value.boolean()) return *truth ? "true" : "false";
  if (const std::string* text = value.text()) return json_text(*text);
  if (const List* list = value.list()) {
    return json_members(*list, '[', ']', indent, depth,
                        [&](const Value& item) { return json_at(item, indent, depth + 1); });
  }
  if (value.changeable_dict() != nullptr) throw Refusal{"a namespace as JSON"};
  if (const Dict* dict = value.dict()) {
    return json_members(dict->items, '{', '}', indent, depth, [&](const auto& item) {
      return json_text(item.first).append(": ").append(json_at(item.second, indent, depth + 1));
    });
  }
  return value.to_text();
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dict::set(std::string_view key, Value value) {
  for (auto& [name, old] : items) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(std::string(key), std::move(value));
}

Value::Value(List items) : data_(std::make_shared<const List>(std::move(items))) {
  for (const Value& item : *list()) weight_ = add_weight(weight_, item.weight());
}
Value::Value(Dict members) : data_(std::make_shared<Dict>(std::move(members))) {
  for (const auto& [key, item] : dict()->items) weight_ = add_weight(weight_, item.weight());
}

Value Value::macro(const Node* definition) {
  Value value;
  value.data_ = definition;
  return value;
}

const List* Value::list() const {
  const auto* list = std::get_if<std::shared_ptr<const List>>(&data_);
  return list == nullptr ? nullptr : list->get();
}
const Dict* Value::dict() const {
  const auto* dict = std::get_if<std::shared_ptr<Dict>>(&data_);
  return dict == nullptr ? nullptr : dict->get();
}
Dict* Value::changeable_dict() const {
  const auto* dict = std::get_if<std::shared_ptr<Dict>>(&data_);
  return dict == nullptr || !(*dict)->is_namespace ? nullptr : dict->get();
}
const Node* Value::macro_definition() const {
  const auto* macro = std::get_if<const Node*>(&data_);
  return macro == nullptr ? nullptr : *macro;
}

bool Value::truth() const {
  if (const bool* truth = boolean()) return *truth;
  if (const std::int64_t* number = integer()) return *number != 0;
  if (const double* number = real()) return *number != 0;
  if (const std::string* string = text()) return !string->empty();
  if (const List* items = list()) return !items->empty();
  if (const Dict* members = dict()) return members->is_namespace || !members->items.empty();
  return macro_definition() != nullptr;
}

std::string_view Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "None";
  if (boolean() != nullptr) return "bool";
  if (integer() != nullptr) return "int";
  if (real() != nullptr) return "float";
  if (text() != nullptr) return "str";
  if (list() != nullptr) return "list";
  return dict() != nullptr ? "dict" : "macro";
}

std::string Value::to_text() const {
  if (is_undefined()) return "";
  if (const std::string* string = text()) return *string;
  return to_literal();
}

std::string Value::to_literal() const {
  if (is_none()) return "None";
  if (const bool* truth = boolean()) return *truth ? "True" : "False";
  if (const std::int64_t* number = integer()) return std::to_string(*number);
  if (const double* number = real()) return real_text(*number);
  if (const std::string* string = text()) return python_literal(*string);
  if (changeable_dict() != nullptr) return "<namespace>";  // may hold itself
  std::string out;
  const auto add = [&out](const std::string& item) {
    if (!out.empty()) out += ", ";
    out += item;
    check_length(out);
  };
  if (const List* items = list()) {
    for (const Value& item : *items) add(item.to_literal());
    return out.insert(0, 1, '[') + ']';
  }
  if (const Dict* members = dict()) {
    for (const auto& [key, value] : members->items) add(python_literal(key).append(": ").append(value.to_literal()));
    return out.insert(0, 1, '{') + '}';
  }
  return is_undefined() ? "Undefined" : "<macro>";
}

bool equal(const Value& a, const Value& b) {
  const auto left = as_number(a), right = as_number(b);
  if (left && right) return *left == *right;
  if (a.text() != nullptr && b.text() != nullptr) return *a.text() == *b.text();
  if (a.list() != nullptr && b.list() != nullptr) {
    if (a.list()->size() != b.list()->size()) return false;
    for (std::size_t i = 0; i < a.list()->size(); ++i) {
      if (!equal((*a.list())[i], (*b.list())[i])) return false;
    }
    return true;
  }
  if (a.changeable_dict() != nullptr || b.changeable_dict() != nullptr) return a.dict() == b.dict();
  if (a.dict() != nullptr && b.dict() != nullptr) {
    if (a.dict()->items.size() != b.dict()->items.size()) return false;
    for (const auto& [key, value] : a.dict()->items) {
      const Value* other = b.dict()->find(key);
      if (other == nullptr || !equal(value, *other)) return false;
    }
    return true;
  }
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

void check_length(const std::string& text) {
  if (text.size() > kLongestText) throw Refusal{"a text of more than 64 MiB"};
}

std::string to_json(const Value& value, int indent) {
  return json_at(value, indent, 0);
}

}  // namespace kvwave::capture::jinja
