// Filters, tests and methods that chat templates use.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/jinja_value.h"

namespace kvwave::capture::jinja {

/// The steps that a program may still take, so that none runs for ever.
class Budget {
 public:
  void spend(std::size_t steps);  ///< throws Refusal when there are not so many left

 private:
  static constexpr std::size_t kMost = std::size_t{1} << 22;
  std::size_t left_ = kMost;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  Budget* budget = nullptr;  ///< of the program that calls; filters that apply others to each item spend from it

  /// The index-th argument, or the one of that name; nullptr when neither is there.
  const Value* find(std::size_t index, std::string_view name) const;
  /// As text; throws Refusal when it is none. `fallback` when absent.
  std::string text(std::size_t index, std::string_view name, std::string_view fallback) const;
  std::int64_t integer(std::size_t index, std::string_view name, std::int64_t fallback) const;
  /// Pays for one more use of all arguments, with `item`.
  void spend(const Value& item) const;
};

// All throw Refusal, which names the filter, test or method that is not known.
Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments);
bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);
Value call_method(const Value& object, std::string_view name, const Arguments& arguments);

/// Members of a list, characters of a text, keys of a dict; of undefined none. Throws Refusal for a text of more than
/// 4 MiB.
List iterate(const Value& value);
bool contains(const Value& container, const Value& item);
/// object[key]: undefined when it is not there.
Value get_item(const Value& object, const Value& key);
/// object.name: undefined when it is not there. Throws Refusal for an attribute of something undefined.
Value get_attribute(const Value& object, std::string_view name);

}  // namespace kvwave::capture::jinja
