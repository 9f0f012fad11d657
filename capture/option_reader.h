// Parsed options by name, with the checks that commands share; every complaint is a traces::UsageError that names the
// option. Included by command files only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "traces/command_line.h"
#include "traces/command_options.h"

namespace kvwave::capture {

class OptionReader {
 public:
  explicit OptionReader(const boost::program_options::variables_map& values) : values_(values) {}

  bool has(const char* name) const { return values_.contains(name); }
  std::string text(const char* name) const { return values_[name].as<std::string>(); }

  std::optional<std::string> optional_text(const char* name) const {
    return has(name) ? std::optional(text(name)) : std::nullopt;
  }
  std::optional<std::filesystem::path> optional_path(const char* name) const {
    if (!has(name)) return std::nullopt;
    if (text(name).empty()) throw traces::UsageError(fmt::format("option --{}: expected a path, got ''", name));
    return text(name);
  }
  template <typename T>
  void integer(const char* name, std::int64_t low, std::int64_t high, T& value) const {
    if (has(name)) value = static_cast<T>(traces::parse_integer(name, text(name), low, high));
  }
  void real(const char* name, double low, double high, double& value) const {
    if (has(name)) value = traces::parse_real(name, text(name), low, high);
  }
  /// One of the words, or a traces::UsageError.
  std::string word(const char* name, const std::vector<std::string>& words) const {
    const std::string given = has(name) ? text(name) : words.front();
    if (std::find(words.begin(), words.end(), given) == words.end()) {
      throw traces::UsageError(fmt::format("option --{}: expected {}, got '{}'{}", name, fmt::join(words, ", "), given,
                                           traces::did_you_mean(given, words)));
    }
    return given;
  }
  void conflict(const char* name, const char* other) const {
    if (has(name) && has(other)) {
      throw traces::UsageError(fmt::format("options --{} and --{} exclude each other", name, other));
    }
  }
  void needs(const char* name, const char* other) const {
    if (has(name) && !has(other)) throw traces::UsageError(fmt::format("option --{} needs --{}", name, other));
  }

 private:
  const boost::program_options::variables_map& values_;
};

}  // namespace kvwave::capture
