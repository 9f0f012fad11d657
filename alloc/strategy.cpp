#include "alloc/strategy.h"

#include <charconv>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::alloc {
namespace {

const std::string& value_of(const Component& component, std::string_view key) {
  const auto found = component.values.find(key);
  if (found == component.values.end()) {
    throw BadStrategy(fmt::format("{} has no parameter '{}'", component.name, key));
  }
  return found->second;
}

template <class Number>
Number number_of(const Component& component, std::string_view key) {
  const std::string& text = value_of(component, key);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw BadStrategy(fmt::format("{}: {}={} is not a number of the asked kind", component.name, key, text));
  }
  return number;
}

const ComponentSpec* find_spec(std::span<const ComponentSpec> specs, std::string_view name) {
  for (const ComponentSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

// The default, unless the word of another parameter implies something else.
std::string_view implied_value(const ComponentSpec& spec, const ParameterSpec& wanted, const Component& component) {
  for (const ParameterSpec& parameter : spec.parameters) {
    for (const Preset& preset : parameter.presets) {
      if (preset.key == wanted.key && value_of(component, parameter.key) == preset.word) return preset.value;
    }
  }
  return wanted.default_text;
}

std::string print(std::span<const ComponentSpec> specs, const Component& component, bool with_defaults) {
  std::string text = component.name;
  const ComponentSpec* spec = find_spec(specs, component.name);
  if (spec == nullptr) return text;
  char separator = ':';
  for (const ParameterSpec& parameter : spec->parameters) {
    const std::string& value = value_of(component, parameter.key);
    if (!with_defaults && value == implied_value(*spec, parameter, component)) continue;
    text += fmt::format("{}{}={}", separator, parameter.key, value);
    separator = ',';
  }
  return text;
}

std::string print(const Strategy& strategy, bool with_defaults) {
  if (strategy.is_full()) return strategy.allocator.name;
  return print(allocator_specs(), strategy.allocator, with_defaults) + '/' +
         print(scorer_specs(), strategy.scorer, with_defaults);
}

}  // namespace

double Component::real(std::string_view key) const {
  return number_of<double>(*this, key);
}
int Component::integer(std::string_view key) const {
  return number_of<int>(*this, key);
}
const std::string& Component::word(std::string_view key) const {
  return value_of(*this, key);
}

std::string Strategy::full_text() const {
  return print(*this, true);
}
std::string Strategy::short_text() const {
  return print(*this, false);
}

}  // namespace kvwave::alloc
