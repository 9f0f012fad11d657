// How much of a token sequence is a loop. Small models that are kept from ending fall into loops, and a loop is no
// reasoning, so every report prints this share and flags it above kRepetitionFlag.
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::traces {

inline constexpr double kRepetitionFlag = 0.3;

/// Share of the n-grams of `ids` that occurred before in `ids`: 0 for shorter sequences than n + 1. n at least 1.
double repeated_ngram_share(std::span<const std::int32_t> ids, unsigned n = 8);

}  // namespace kvwave::traces
