#include "capture/jinja_builtins.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "capture/jinja_text_tools.h"
#include "capture/printable.h"

namespace kvwave::capture::jinja {
namespace {

constexpr std::size_t kLongestIterated = std::size_t{4} << 20;  // a value of some 60 bytes for each character

[[noreturn]] void refuse(const std::string& what) {
  throw Refusal{what};
}

std::int64_t length_of(const Value& value) {
  if (const std::string* text = value.text()) return static_cast<std::int64_t>(characters(*text).size());
  return static_cast<std::int64_t>(iterate(value).size());
}

List pairs(const Dict& dict) {
  List all;
  for (const auto& [key, value] : dict.items) all.emplace_back(List{Value(key), value});
  return all;
}

const Dict& need_dict(const Value& value, std::string_view name) {
  if (value.dict() == nullptr) refuse(fmt::format("'{}' of a {}", name, value.type_name()));
  return *value.dict();
}

Value joined(const List& items, const std::string& separator, const Value* attribute) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += separator;
    out += (attribute == nullptr ? items[i] : get_attribute(items[i], attribute->to_text())).to_text();
    check_length(out);
  }
  return out;
}

Value mapped(const List& items, const Arguments& a) {
  List out;
  const Value* attribute = a.find(items.size() + a.positional.size(), "attribute");  // by name only
  const Arguments rest{{a.positional.begin() + (a.positional.empty() ? 0 : 1), a.positional.end()}, a.named, a.budget};
  for (const Value& item : items) {
    a.spend(item);
    out.push_back(attribute != nullptr ? get_attribute(item, attribute->to_text())
                                       : apply_filter(a.text(0, "", ""), item, rest));
  }
  return out;
}

// selectattr and rejectattr with `by_attribute`, select and reject without.
Value selected(const List& items, const Arguments& a, bool by_attribute, bool keeps) {
  List out;
  const std::size_t test_at = by_attribute ? 1 : 0;
  const bool tests = a.positional.size() > test_at;
  const Arguments rest{
      {a.positional.begin() + static_cast<std::ptrdiff_t>(tests ? test_at + 1 : 0), a.positional.end()}, {}, a.budget};
  for (const Value& item : items) {
    a.spend(item);
    const Value value = by_attribute ? get_attribute(item, a.text(0, "", "")) : item;
    const bool holds = tests ? apply_test(a.text(test_at, "", ""), value, rest) : value.truth();
    if (holds == keeps) out.push_back(item);
  }
  return out;
}

std::int64_t whole_of(const Value& value) {
  if (const bool* truth = value.boolean()) return *truth ? 1 : 0;
  return value.integer() != nullptr ? *value.integer() : 0;
}

Value reversed(const Value& value) {
  List items = iterate(value);
  std::reverse(items.begin(), items.end());
  if (value.text() == nullptr) return items;
  return joined(items, "", nullptr);
}

// Of equal items the first; numbers are equal across their types, as in Python.
Value unique(const List& items) {
  List out;
  std::set<std::string> seen;
  for (const Value& item : items) {
    if (item.list() != nullptr || item.dict() != nullptr) {
      refuse(fmt::format("filter 'unique' over a {}", item.type_name()));
    }
    const bool is_number = item.boolean() != nullptr || item.integer() != nullptr || item.real() != nullptr;
    const double number = item.real() != nullptr ? *item.real() : static_cast<double>(is_number ? whole_of(item) : 0);
    if (seen.insert(is_number ? fmt::format("{}", number) : item.to_literal()).second) out.push_back(item);
  }
  return out;
}

Value indented(const std::string& text, const Arguments& a) {
  const std::int64_t width = a.integer(0, "width", 4);
  if (width < 0 || width > 1000) refuse("filter 'indent' with an impossible width");
  const std::string blanks(static_cast<std::size_t>(width), ' ');
  const Value* first = a.find(1, "first");
  std::string out = first != nullptr && first->truth() ? blanks : "";
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    const bool empty_next = i + 1 == text.size() || text[i + 1] == '\n';
    if (text[i] == '\n' && !empty_next) out += blanks;
  }
  return out;
}

Value to_integer(const Value& value) {
  if (const double* number = value.real()) {
    if (!(std::abs(*number) < 0x1p63)) refuse("a number that no whole one of 64 bits can hold");
    return static_cast<std::int64_t>(*number);
  }
  if (const bool* truth = value.boolean()) return std::int64_t{*truth ? 1 : 0};
  if (value.integer() != nullptr) return value;
  return std::int64_t{std::strtoll(value.to_text().c_str(), nullptr, 10)};
}

Value edge(const Value& value, bool first) {
  const List items = iterate(value);
  if (items.empty()) return Undefined{first ? "the first item of nothing" : "the last item of nothing"};
  return first ? items.front() : items.back();
}

}  // namespace

void Budget::spend(std::size_t steps) {
  if (steps > left_) refuse(fmt::format("more than {} steps", kMost));
  left_ -= steps;
}

void Arguments::spend(const Value& item) const {
  if (budget == nullptr) return;
  budget->spend(item.weight());
  for (const Value& each : positional) budget->spend(each.weight());
  for (const auto& [name, value] : named) budget->spend(value.weight());
}

const Value* Arguments::find(std::size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : named) {
    if (key == name && !name.empty()) return &value;
  }
  return nullptr;
}

std::string Arguments::text(std::size_t index, std::string_view name, std::string_view fallback) const {
  const Value* value = find(index, name);
  if (value == nullptr || value->is_none()) return std::string(fallback);
  if (value->text() == nullptr) refuse(fmt::format("a {} where text is needed", value->type_name()));
  return *value->text();
}

std::int64_t Arguments::integer(std::size_t index, std::string_view name, std::int64_t fallback) const {
  const Value* value = find(index, name);
  if (value == nullptr || value->is_none()) return fallback;
  if (value->integer() == nullptr) refuse(fmt::format("a {} where a whole number is needed", value->type_name()));
  return *value->integer();
}

Value apply_filter(std::string_view name, const Value& input, const Arguments& a) {
  using Filter = std::function<Value(const Value&, const Arguments&)>;
  static const std::map<std::string_view, Filter> kFilters = {
      {"trim",
       [](const Value& v, const Arguments& args) -> Value {
         return strip(v.to_text(), Side::both, args.text(0, "chars", ""));
       }},
      {"lower", [](const Value& v, const Arguments&) -> Value { return to_lower(v.to_text()); }},
      {"upper", [](const Value& v, const Arguments&) -> Value { return to_upper(v.to_text()); }},
      {"capitalize", [](const Value& v, const Arguments&) -> Value { return capitalise(v.to_text()); }},
      {"title", [](const Value& v, const Arguments&) -> Value { return title_words(v.to_text()); }},
      {"string", [](const Value& v, const Arguments&) -> Value { return v.to_text(); }},
      {"safe", [](const Value& v, const Arguments&) { return v; }},
      {"int", [](const Value& v, const Arguments&) { return to_integer(v); }},
      {"length", [](const Value& v, const Arguments&) -> Value { return length_of(v); }},
      {"count", [](const Value& v, const Arguments&) -> Value { return length_of(v); }},
      {"list", [](const Value& v, const Arguments&) -> Value { return iterate(v); }},
      {"first", [](const Value& v, const Arguments&) { return edge(v, true); }},
      {"last", [](const Value& v, const Arguments&) { return edge(v, false); }},
      {"reverse", [](const Value& v, const Arguments&) { return reversed(v); }},
      {"unique", [](const Value& v, const Arguments&) { return unique(iterate(v)); }},
      {"items",
       [](const Value& v, const Arguments&) -> Value {
         return v.is_undefined() ? List{} : pairs(need_dict(v, "items"));
       }},
      {"indent", [](const Value& v, const Arguments& args) { return indented(v.to_text(), args); }},
      {"map", [](const Value& v, const Arguments& args) { return mapped(iterate(v), args); }},
      {"select", [](const Value& v, const Arguments& args) { return selected(iterate(v), args, false, true); }},
      {"reject", [](const Value& v, const Arguments& args) { return selected(iterate(v), args, false, false); }},
      {"selectattr", [](const Value& v, const Arguments& args) { return selected(iterate(v), args, true, true); }},
      {"rejectattr", [](const Value& v, const Arguments& args) { return selected(iterate(v), args, true, false); }},
      {"join",
       [](const Value& v, const Arguments& args) {
         return joined(iterate(v), args.text(0, "d", ""), args.find(1, "attribute"));
       }},
      {"replace",
       [](const Value& v, const Arguments& args) -> Value {
         return replace_all(v.to_text(), args.text(0, "old", ""), args.text(1, "new", ""),
                            args.integer(2, "count", -1));
       }},
      {"tojson",
       [](const Value& v, const Arguments& args) -> Value {
         const std::int64_t indent = args.integer(0, "indent", -1);
         if (indent > 64) refuse("filter 'tojson' with an indent above 64");
         return to_json(v, static_cast<int>(indent));
       }},
      {"default",
       [](const Value& v, const Arguments& args) -> Value {
         const Value* even_false = args.find(1, "boolean");
         const bool takes = v.is_undefined() || (even_false != nullptr && even_false->truth() && !v.truth());
         const Value* fallback = args.find(0, "default_value");
         return takes ? (fallback != nullptr ? *fallback : Value("")) : v;
       }},
  };
  const auto found = kFilters.find(name == "d" ? "default" : name);
  if (found == kFilters.end()) refuse(fmt::format("filter '{}', which kvwave does not know", name));
  return found->second(input, a);
}

bool apply_test(std::string_view name, const Value& v, const Arguments& a) {
  const auto other = [&]() -> const Value& {
    if (a.positional.empty()) refuse(fmt::format("test '{}' without what it compares with", name));
    return a.positional.front();
  };
  if (name == "defined") return !v.is_undefined();
  if (name == "undefined") return v.is_undefined();
  if (name == "none") return v.is_none();
  if (name == "string") return v.text() != nullptr;
  if (name == "mapping") return v.dict() != nullptr;
  if (name == "boolean") return v.boolean() != nullptr;
  if (name == "true") return v.boolean() != nullptr && *v.boolean();
  if (name == "false") return v.boolean() != nullptr && !*v.boolean();
  if (name == "integer") return v.integer() != nullptr;
  if (name == "float") return v.real() != nullptr;
  if (name == "number") return v.integer() != nullptr || v.real() != nullptr || v.boolean() != nullptr;
  if (name == "callable") return v.macro_definition() != nullptr;
  if (name == "sequence" || name == "iterable") {
    return v.text() != nullptr || v.list() != nullptr || v.dict() != nullptr || v.is_undefined();
  }
  if (name == "equalto" || name == "eq") return equal(v, other());
  if (name == "ne") return !equal(v, other());
  if (name == "in") return contains(other(), v);
  if (name == "odd" || name == "even") {
    if (v.integer() == nullptr) refuse(fmt::format("test '{}' of a {}", name, v.type_name()));
    return (*v.integer() % 2 != 0) == (name == "odd");
  }
  refuse(fmt::format("test '{}', which kvwave does not know", name));
}

namespace {

std::optional<Value> text_method(const std::string& text, std::string_view name, const Arguments& a) {
  const auto list = [](const std::vector<std::string>& parts) -> Value { return List(parts.begin(), parts.end()); };
  if (name == "strip") return strip(text, Side::both, a.text(0, "", ""));
  if (name == "lstrip") return strip(text, Side::left, a.text(0, "", ""));
  if (name == "rstrip") return strip(text, Side::right, a.text(0, "", ""));
  if (name == "split") return list(split(text, a.text(0, "sep", ""), a.integer(1, "maxsplit", -1)));
  if (name == "rsplit" && !a.text(0, "sep", "").empty()) {
    return list(split_from_right(text, a.text(0, "sep", ""), a.integer(1, "maxsplit", -1)));
  }
  if (name == "startswith" || name == "endswith") {
    const Value* argument = a.find(0, "");
    if (argument == nullptr) refuse(fmt::format("'{}' without its text", name));
    for (const Value& each : argument->list() != nullptr ? *argument->list() : List{*argument}) {
      if (name == "startswith" ? text.starts_with(each.to_text()) : text.ends_with(each.to_text())) return true;
    }
    return false;
  }
  if (name == "replace") return replace_all(text, a.text(0, "", ""), a.text(1, "", ""), a.integer(2, "count", -1));
  if (name == "lower") return to_lower(text);
  if (name == "upper") return to_upper(text);
  if (name == "title") return to_title(text);
  if (name == "capitalize") return capitalise(text);
  if (name == "join") return joined(a.find(0, "") != nullptr ? iterate(*a.find(0, "")) : List{}, text, nullptr);
  if (name == "find") {
    const std::size_t at = text.find(a.text(0, "", ""));
    if (at == std::string::npos) return std::int64_t{-1};
    return static_cast<std::int64_t>(characters(std::string_view(text).substr(0, at)).size());
  }
  return std::nullopt;
}

std::optional<Value> dict_method(const Dict& dict, std::string_view name, const Arguments& a) {
  if (name == "get") {
    const Value* key = a.find(0, "key");
    const Value* found = key == nullptr ? nullptr : dict.find(key->to_text());
    const Value* fallback = a.find(1, "default");
    return found != nullptr ? *found : fallback != nullptr ? *fallback : Value(None{});
  }
  if (name == "items") return pairs(dict);
  if (name == "keys" || name == "values") {
    List all;
    for (const auto& [key, value] : dict.items) all.push_back(name == "keys" ? Value(key) : value);
    return all;
  }
  return std::nullopt;
}

}  // namespace

Value call_method(const Value& object, std::string_view name, const Arguments& a) {
  std::optional<Value> result;
  if (object.text() != nullptr) result = text_method(*object.text(), name, a);
  if (object.dict() != nullptr) result = dict_method(*object.dict(), name, a);
  if (!result) refuse(fmt::format("method '{}' of a {}, which kvwave does not know", name, object.type_name()));
  return *result;
}

List iterate(const Value& value) {
  if (value.is_undefined()) return {};
  if (const List* list = value.list()) return *list;
  List all;
  if (const std::string* text = value.text()) {
    if (text->size() > kLongestIterated) refuse("the characters of a text of more than 4 MiB");
    for (const std::string_view character : characters(*text)) all.emplace_back(character);
    return all;
  }
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, item] : dict->items) all.emplace_back(key);
    return all;
  }
  refuse(fmt::format("the items of a {}", value.type_name()));
}

bool contains(const Value& container, const Value& item) {
  if (const std::string* text = container.text()) {
    if (item.text() == nullptr) refuse(fmt::format("a {} looked for in text", item.type_name()));
    return text->find(*item.text()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return item.text() != nullptr && dict->find(*item.text()) != nullptr;
  const List items = iterate(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& each) { return equal(each, item); });
}

Value get_item(const Value& object, const Value& key) {
  if (object.is_undefined())
    refuse(fmt::format("an item of {}, which is not defined", printable(object.undefined()->name)));
  if (const Dict* dict = object.dict()) {
    const Value* found = key.text() == nullptr ? nullptr : dict->find(*key.text());
    return found != nullptr ? *found : Value(Undefined{key.to_text()});
  }
  if (key.integer() == nullptr || (object.list() == nullptr && object.text() == nullptr)) {
    return Undefined{key.to_text()};
  }
  const List items = iterate(object);
  const std::int64_t size = static_cast<std::int64_t>(items.size());
  const std::int64_t index = *key.integer() < 0 ? *key.integer() + size : *key.integer();
  return index < 0 || index >= size ? Value(Undefined{key.to_text()}) : items[static_cast<std::size_t>(index)];
}

Value get_attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) {
    refuse(fmt::format("attribute '{}' of {}, which is not defined", name, printable(object.undefined()->name)));
  }
  const Value* found = object.dict() == nullptr ? nullptr : object.dict()->find(name);
  return found != nullptr ? *found : Value(Undefined{std::string(name)});
}

}  // namespace kvwave::capture::jinja
