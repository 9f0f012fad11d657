// Values of the Jinja programs that models carry as chat templates, with Python's meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace kvwave::capture::jinja {

struct Node;  // jinja_syntax.h
class Value;

using List = std::vector<Value>;

/// Python's dict with text keys, in order of insertion. A namespace() is one that `set` may change.
struct Dict {
  std::vector<std::pair<std::string, Value>> items;
  bool is_namespace = false;

  const Value* find(std::string_view key) const;  ///< nullptr when absent
  void set(std::string_view key, Value value);
};

/// Why something cannot be evaluated; the evaluator adds the line.
struct Refusal {
  std::string what;
};

/// No text that a program makes may be longer.
inline constexpr std::size_t kLongestText = std::size_t{64} << 20;

struct Undefined {
  std::string name;  ///< what was asked for, for messages
};
struct None {};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined undefined) : data_(std::move(undefined)) {}
  Value(None none) : data_(none) {}
  Value(bool truth) : data_(truth) {}
  Value(std::int64_t number) : data_(number) {}
  Value(double number) : data_(number) {}
  Value(std::string text) : data_(std::move(text)), weight_(1 + this->text()->size() / 64) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(List items);
  Value(Dict dict);
  static Value macro(const Node* definition);  ///< a macro of the program, which must outlive the value

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const std::string* text() const { return std::get_if<std::string>(&data_); }
  const List* list() const;
  const Dict* dict() const;
  Dict* changeable_dict() const;  ///< of a namespace, else nullptr: shared by all that hold it
  const Node* macro_definition() const;
  const Undefined* undefined() const { return std::get_if<Undefined>(&data_); }

  /// How much work there is in a value, nested ones counted as often as they are written: programs are stopped by it.
  std::size_t weight() const { return weight_; }

  bool truth() const;
  std::string_view type_name() const;  ///< as Python names it
  std::string to_text() const;         ///< what {{ value }} writes: Python's str()
  std::string to_literal() const;      ///< Python's repr()

 private:
  std::variant<Undefined, None, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
               std::shared_ptr<Dict>, const Node*>
      data_;
  std::size_t weight_ = 1;
};

/// Throws Refusal when `text` has become too long.
void check_length(const std::string& text);

bool equal(const Value& a, const Value& b);

/// json.dumps(value, ensure_ascii=False, indent=...); indent < 0: on one line.
std::string to_json(const Value& value, int indent);

}  // namespace kvwave::capture::jinja
