// Numbers that a model cannot do without, checked against a range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "capture/gguf.h"

namespace kvwave::capture {

/// Key "architecture.suffix" as an integer in [1, largest]. Without a fallback an absent key throws BadModelFile, as
/// does a value out of range.
std::uint32_t positive_key(const GgufFile& file, const std::string& key, std::uint32_t largest,
                           std::optional<std::uint32_t> fallback = std::nullopt);

/// The same for a real number in [low, high].
double real_key(const GgufFile& file, const std::string& key, double low, double high,
                std::optional<double> fallback = std::nullopt);

}  // namespace kvwave::capture
