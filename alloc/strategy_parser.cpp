// Strategy::parse(): text to a Strategy with every parameter checked and filled in.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "alloc/compatibility.h"
#include "alloc/error.h"
#include "alloc/nearest_word.h"
#include "alloc/refresh_rule.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {
namespace {

constexpr std::string_view kStrategyForm = "expected ALLOCATOR[:key=value,...]/SCORER[:key=value,...] or full";

using Specs = std::span<const ComponentSpec>;

std::vector<std::string_view> names_of(Specs specs) {
  std::vector<std::string_view> names;
  for (const ComponentSpec& spec : specs) names.push_back(spec.name);
  return names;
}

const ComponentSpec* find(Specs specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const ComponentSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

[[noreturn]] void refuse(const ComponentSpec& spec, const ParameterSpec& parameter, std::string_view text) {
  const std::string_view kind = parameter.kind == ParameterKind::word      ? "one of "
                                : parameter.kind == ParameterKind::integer ? "an integer in "
                                                                           : "a number in ";
  throw BadStrategy(fmt::format("{}: expected {}={}{}, got {}{}", spec.name, parameter.key, kind,
                                allowed_values(parameter), quoted(text), suggestion(text, parameter.words)));
}

std::string canonical_protection(const ComponentSpec& spec, std::string_view text) {
  try {
    return Protection::parse(text).text();
  } catch (const BadStrategy& error) {
    throw BadStrategy(fmt::format("{}: {}", spec.name, error.what()));
  }
}

// The one spelling of a value, so that equal strategies have equal texts.
std::string canonical(const ComponentSpec& spec, const ParameterSpec& parameter, std::string_view text) {
  if (parameter.kind == ParameterKind::protection) return canonical_protection(spec, text);
  if (parameter.kind == ParameterKind::text) return std::string(text);
  if (parameter.kind == ParameterKind::word) {
    if (std::find(parameter.words.begin(), parameter.words.end(), text) == parameter.words.end()) {
      refuse(spec, parameter, text);
    }
    return std::string(text);
  }
  if (parameter.kind == ParameterKind::integer) {
    std::int32_t number = 0;
    if (!read_number(text, number) || number < parameter.low || number > parameter.high ||
        (parameter.odd && number % 2 == 0)) {
      refuse(spec, parameter, text);
    }
    return std::to_string(number);
  }
  double number = 0;
  // The negated form also refuses NaN.
  if (!read_number(text, number) || !(number >= parameter.low && number <= parameter.high)) {
    refuse(spec, parameter, text);
  }
  char buffer[32];
  // Adding 0 turns -0 into 0.
  const auto result = std::to_chars(std::begin(buffer), std::end(buffer), number + 0.0);
  return {std::begin(buffer), result.ptr};
}

void set_parameter(const ComponentSpec& spec, std::string_view item, Component& component) {
  const std::size_t equals = item.find('=');
  if (equals == std::string_view::npos) {
    throw BadStrategy(fmt::format("{}: expected key=value, got {}", spec.name, quoted(item)));
  }
  const std::string_view key = item.substr(0, equals);
  std::vector<std::string_view> known;
  for (const ParameterSpec& parameter : spec.parameters) {
    known.push_back(parameter.key);
    if (parameter.key != key) continue;
    const auto [at, inserted] = component.values.emplace(key, canonical(spec, parameter, item.substr(equals + 1)));
    if (!inserted) throw BadStrategy(fmt::format("{}: parameter '{}' is given twice", spec.name, key));
    return;
  }
  throw BadStrategy(known.empty() ? fmt::format("{} takes no parameters, got {}", spec.name, quoted(item))
                                  : fmt::format("{} has no parameter {}{}; it has {}", spec.name, quoted(key),
                                                suggestion(key, known), fmt::join(known, ", ")));
}

bool takes_commas(const ComponentSpec& spec, std::string_view key) {
  return std::any_of(spec.parameters.begin(), spec.parameters.end(), [&](const ParameterSpec& parameter) {
    return parameter.key == key && parameter.kind == ParameterKind::protection;
  });
}

// key=value items. An item without '=' continues the value before it where that may hold commas.
std::vector<std::string> split_items(const ComponentSpec& spec, std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view part : split(text, ',')) {
    const bool continues = !items.empty() && part.find('=') == std::string_view::npos &&
                           takes_commas(spec, std::string_view(items.back()).substr(0, items.back().find('=')));
    if (continues) {
      items.back().append(1, ',').append(part);
    } else {
      items.emplace_back(part);
    }
  }
  return items;
}

// Only what was not given: emplace leaves the rest alone.
void apply_presets(const ComponentSpec& spec, Component& component) {
  for (const ParameterSpec& parameter : spec.parameters) {
    const auto chosen = component.values.find(parameter.key);
    if (chosen == component.values.end()) continue;
    for (const Preset& preset : parameter.presets) {
      if (chosen->second == preset.word) component.values.emplace(preset.key, preset.value);
    }
  }
}

Component parse_component(std::string_view kind, Specs specs, Specs other_specs, std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const ComponentSpec* spec = find(specs, name);
  if (spec == nullptr) {
    const std::vector<std::string_view> known = names_of(specs);
    const bool swapped = find(other_specs, name) != nullptr;
    throw BadStrategy(fmt::format("unknown {} {}{}{}; known: {}", kind, quoted(name), suggestion(name, known),
                                  swapped ? " (allocator first, then scorer)" : "", fmt::join(known, ", ")));
  }
  Component component{std::string(name), {}};
  if (colon != std::string_view::npos) {
    for (const std::string& item : split_items(*spec, text.substr(colon + 1))) set_parameter(*spec, item, component);
  }
  apply_presets(*spec, component);
  for (const ParameterSpec& parameter : spec->parameters) {
    component.values.emplace(parameter.key, canonical(*spec, parameter, parameter.default_text));
  }
  return component;
}

}  // namespace

Strategy Strategy::parse(std::string_view text) {
  if (text.empty()) throw BadStrategy(fmt::format("empty strategy: {}", kStrategyForm));
  if (text == "full") return Strategy{Component{"full", {}}, Component{}};
  // A file name in the allocator's half may hold slashes of its own; scorers take no files.
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) {
    const std::string_view name = text.substr(0, text.find(':'));
    std::string hint;
    if (find(scorer_specs(), name) != nullptr) hint = fmt::format(" (did you mean 'uniform/{}'?)", name);
    if (find(allocator_specs(), name) != nullptr) hint = fmt::format(" (did you mean '{}/rkv'?)", name);
    if (hint.empty()) hint = suggestion(text, std::vector<std::string_view>{"full"});
    throw BadStrategy(fmt::format("strategy {} has no '/'{}: {}", quoted(text), hint, kStrategyForm));
  }
  const std::string_view allocator = text.substr(0, slash);
  if (allocator.substr(0, allocator.find(':')).find('/') != std::string_view::npos) {
    throw BadStrategy(fmt::format("strategy {} has more than one '/': {}", quoted(text), kStrategyForm));
  }
  Strategy strategy{parse_component("allocator", allocator_specs(), scorer_specs(), allocator),
                    parse_component("scorer", scorer_specs(), allocator_specs(), text.substr(slash + 1))};
  check_compatible(strategy);
  return strategy;
}

}  // namespace kvwave::alloc
