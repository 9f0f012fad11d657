// The one list of allocators and scorers with their parameters, defaults, ranges and sources: the command line, the
// documentation, the viewer's menus and the tests are all drawn from it. Adding one = its file, a
// declaration in components.h and a line in registry.cpp.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::alloc {

enum class ParameterKind {
  real,
  integer,
  word,
  text,       ///< a file name, anything without commas
  protection  ///< Protection::parse(); its value may hold commas
};

/// Choosing `word` gives another parameter of the component the value `value` unless that one is given too.
struct Preset {
  std::string_view word, key, value;
};

struct ParameterSpec {
  std::string_view key;
  ParameterKind kind = ParameterKind::real;
  std::string_view default_text;
  double low = 0, high = 0;             ///< inclusive range of numbers
  bool odd = false;                     ///< integers: must be odd
  std::vector<std::string_view> words;  ///< allowed words; text (a file name) takes anything without commas
  std::string_view meaning;             ///< one line, with the source where it is not obvious
  std::vector<Preset> presets = {};     ///< what its words imply for other parameters
};

struct ComponentSpec {
  std::string_view name;
  std::string_view summary;  ///< one line
  std::string_view source;   ///< paper or official code
  std::vector<ParameterSpec> parameters;
};

class Allocator;
class Scorer;
struct Component;

/// In display order; names are unique. `full` is no component: it has neither budget nor scorer.
std::span<const ComponentSpec> allocator_specs();
std::span<const ComponentSpec> scorer_specs();

/// What values a parameter takes: "[0, 1]", "[1, 255], odd", "minus|plus".
std::string allowed_values(const ParameterSpec& parameter);

/// The component must come from Strategy::parse(). Throws BadStrategy for a name that the registry lacks.
std::unique_ptr<Allocator> make_allocator(const Component& component);
std::unique_ptr<Scorer> make_scorer(const Component& component);

}  // namespace kvwave::alloc
