// `kvwave strategies`: the registry of alloc as a table or as JSON.
#include <cmath>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "alloc/registry.h"
#include "alloc/requirements.h"
#include "alloc/strategy.h"
#include "replay/commands.h"
#include "replay/wrapped_text.h"
#include "traces/command_line.h"
#include "traces/command_options.h"

namespace kvwave::replay {
namespace {

constexpr std::size_t kTextIndent = 22, kValueColumns = 18, kMeaningIndent = 47;

constexpr std::string_view kStrategiesUsage =
    "usage: kvwave strategies [--json]\nLists allocators and scorers with their parameters, defaults and sources.";

constexpr std::string_view kIntroduction =
    "A strategy is ALLOCATOR[:key=value,...]/SCORER[:key=value,...]. Nearly any allocator goes with any\n"
    "scorer; the few pairs that make no sense are refused with the reason.\n"
    "  uniform/rkv\n"
    "  reasonalloc:gamma=0.5,mu=0.25/rkv:lambda=0.1\n"
    "`full` alone is the full cache. Replay also reports `ceiling`, the best that any cache of the same\n"
    "size could hold per row: a control, no strategy.\n";

// Prints `text` from column `indent` on (where the cursor already is), broken at spaces.
void print_wrapped(std::string_view text, std::size_t indent) {
  fmt::print("{}\n", wrapped(text, kTerminalColumns - indent, indent));
}

alloc::Component defaults_of(const alloc::ComponentSpec& spec, bool allocator) {
  const std::string name(spec.name);
  return allocator ? alloc::Strategy::parse(name + "/snapkv").allocator
                   : alloc::Strategy::parse("uniform/" + name).scorer;
}

std::string requirements_of(const alloc::ComponentSpec& spec, bool allocator) {
  const alloc::Component component = defaults_of(spec, allocator);
  return allocator ? alloc::allocator_requirements(component) : alloc::scorer_requirements(component);
}

void print_table(std::string_view title, std::span<const alloc::ComponentSpec> specs, bool allocators) {
  fmt::print("\n{}\n    {:<9} {:<12} {:<{}}  {}\n", title, "key", "default", "values", kValueColumns, "meaning");
  for (const alloc::ComponentSpec& spec : specs) {
    fmt::print("\n  {:<{}}", spec.name, kTextIndent - 2);
    print_wrapped(spec.summary, kTextIndent);
    fmt::print("{:{}}", "", kTextIndent);
    print_wrapped(spec.source, kTextIndent);
    fmt::print("{:{}}", "", kTextIndent);
    print_wrapped("needs " + requirements_of(spec, allocators), kTextIndent);
    for (const alloc::ParameterSpec& parameter : spec.parameters) {
      const std::string values = alloc::allowed_values(parameter);
      fmt::print("    {:<9} {:<12} {:<{}}  ", parameter.key, parameter.default_text, values, kValueColumns);
      // Long lists of words push the meaning to a line of its own.
      if (values.size() > kValueColumns) fmt::print("\n{:{}}", "", kMeaningIndent);
      print_wrapped(parameter.meaning, kMeaningIndent);
    }
  }
}

std::string_view to_string(alloc::ParameterKind kind) {
  switch (kind) {
    case alloc::ParameterKind::real:
      return "real";
    case alloc::ParameterKind::integer:
      return "integer";
    case alloc::ParameterKind::text:
      return "text";
    case alloc::ParameterKind::protection:
      return "protection";
    case alloc::ParameterKind::word:
      break;
  }
  return "word";
}

nlohmann::ordered_json bound(const alloc::ParameterSpec& parameter, double value) {
  if (parameter.kind == alloc::ParameterKind::integer) return std::lround(value);
  return value;
}

nlohmann::ordered_json to_json(std::span<const alloc::ComponentSpec> specs, bool allocators) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const alloc::ComponentSpec& spec : specs) {
    nlohmann::ordered_json parameters = nlohmann::ordered_json::array();
    for (const alloc::ParameterSpec& parameter : spec.parameters) {
      nlohmann::ordered_json item = {
          {"key", parameter.key}, {"kind", to_string(parameter.kind)}, {"default", parameter.default_text}};
      if (parameter.kind == alloc::ParameterKind::word) {
        item["words"] = parameter.words;
      } else if (parameter.kind != alloc::ParameterKind::protection && parameter.kind != alloc::ParameterKind::text) {
        item["low"] = bound(parameter, parameter.low);
        item["high"] = bound(parameter, parameter.high);
        if (parameter.odd) item["odd"] = true;
      }
      item["meaning"] = parameter.meaning;
      parameters.push_back(std::move(item));
    }
    list.push_back({{"name", spec.name},
                    {"summary", spec.summary},
                    {"source", spec.source},
                    {"needs", requirements_of(spec, allocators)},
                    {"parameters", parameters}});
  }
  return list;
}

}  // namespace

int strategies_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("json", "print one JSON object");
  const auto values = traces::parse_options(kStrategiesUsage, options, "", args);
  if (!values) return traces::kComplete;
  if (values->contains("json")) {
    const nlohmann::ordered_json all = {{"allocators", to_json(alloc::allocator_specs(), true)},
                                        {"scorers", to_json(alloc::scorer_specs(), false)}};
    fmt::print("{}\n", all.dump(2));
    return traces::kComplete;
  }
  fmt::print("{}", kIntroduction);
  print_table("Allocators: where budget goes", alloc::allocator_specs(), true);
  print_table("Scorers: which entries a KV head keeps", alloc::scorer_specs(), false);
  return traces::kComplete;
}

}  // namespace kvwave::replay
