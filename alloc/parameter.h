// Private to alloc: short forms to declare parameters.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "alloc/registry.h"

namespace kvwave::alloc {

inline ParameterSpec real_parameter(std::string_view key, std::string_view value, double low, double high,
                                    std::string_view meaning) {
  return {key, ParameterKind::real, value, low, high, false, {}, meaning};
}

inline ParameterSpec integer_parameter(std::string_view key, std::string_view value, double low, double high,
                                       std::string_view meaning, bool odd = false) {
  return {key, ParameterKind::integer, value, low, high, odd, {}, meaning};
}

/// The first word is the default.
inline ParameterSpec word_parameter(std::string_view key, std::vector<std::string_view> words,
                                    std::string_view meaning) {
  const std::string_view value = words.front();
  return {key, ParameterKind::word, value, 0, 0, false, std::move(words), meaning};
}

/// `protect`: what no score may drop. Every scorer has it; `value` is the policy's own protection.
inline ParameterSpec protection_parameter(std::string_view value = "none") {
  return {
      "protect", ParameterKind::protection, value, 0, 0, false, {}, "never dropped: items of sinks:N+recent:N+prompt"};
}

/// A file name, needed: the default is none.
inline ParameterSpec text_parameter(std::string_view key, std::string_view meaning) {
  return {key, ParameterKind::text, "", 0, 0, false, {}, meaning};
}

}  // namespace kvwave::alloc
