#include "capture/gguf_keys.h"

#include <fmt/format.h>

#include "capture/error.h"

namespace kvwave::capture {
namespace {

[[noreturn]] void missing(const GgufFile& file, const std::string& key) {
  throw BadModelFile(fmt::format("{}: key '{}' is missing", file.path().string(), key));
}

}  // namespace

std::uint32_t positive_key(const GgufFile& file, const std::string& key, std::uint32_t largest,
                           std::optional<std::uint32_t> fallback) {
  const auto value = file.unsigned_integer(key);
  if (!value && fallback) return *fallback;
  if (!value) missing(file, key);
  if (*value < 1 || *value > largest) {
    throw BadModelFile(fmt::format("{}: key '{}' is {}, expected 1 to {}", file.path().string(), key, *value, largest));
  }
  return static_cast<std::uint32_t>(*value);
}

double real_key(const GgufFile& file, const std::string& key, double low, double high, std::optional<double> fallback) {
  const auto value = file.real(key);
  if (!value && fallback) return *fallback;
  if (!value) missing(file, key);
  if (!(*value >= low && *value <= high)) {  // NaN fails too
    throw BadModelFile(
        fmt::format("{}: key '{}' is {}, expected {} to {}", file.path().string(), key, *value, low, high));
  }
  return *value;
}

}  // namespace kvwave::capture
