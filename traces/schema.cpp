#include "traces/schema.h"

#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace kvwave::traces {
namespace {

constexpr std::array<std::pair<std::string_view, bool Levels::*>, 4> kLevelNames = {
    {{"tokens", &Levels::tokens}, {"stats", &Levels::stats}, {"attention", &Levels::attention}, {"qkv", &Levels::qkv}}};

}  // namespace

std::string Levels::to_string() const {
  std::string text;
  for (const auto& [name, member] : kLevelNames) {
    if (!(this->*member)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

Levels Levels::parse(std::string_view list) {
  Levels levels{false, false, false, false};
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    bool known = false;
    for (const auto& [name, member] : kLevelNames) {
      if (word != name) continue;
      if (levels.*member) throw std::invalid_argument(fmt::format("level '{}' is named twice", word));
      levels.*member = known = true;
    }
    if (!known) {
      throw std::invalid_argument(fmt::format("unknown level '{}': expected tokens, stats, attention or qkv", word));
    }
    if (comma == std::string_view::npos) return levels;
    list.remove_prefix(comma + 1);
  }
}

std::string_view to_string(FloatType type) {
  return type == FloatType::f16 ? "f16" : "f32";
}

FloatType parse_float_type(std::string_view word) {
  if (word == "f16") return FloatType::f16;
  if (word == "f32") return FloatType::f32;
  throw std::invalid_argument(fmt::format("unknown storage type '{}': expected f16 or f32", word));
}

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::running:
      return "running";
    case StopReason::end_token:
      return "end_token";
    case StopReason::token_limit:
      return "token_limit";
    case StopReason::continuation:
      return "continuation";
    case StopReason::context_full:
      return "context_full";
    case StopReason::interrupted:
      return "interrupted";
    case StopReason::failed:
      return "failed";
  }
  return "unknown";
}

}  // namespace kvwave::traces
