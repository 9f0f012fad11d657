// Ranges of what a replay is asked for, on the command line and in sweep files alike.
#pragma once

#include <cstdint>

namespace kvwave::replay {

inline constexpr std::int64_t kLargestBudget = 1'000'000;             ///< entries per KV head
inline constexpr std::int64_t kFewestResamples = 100;                 ///< at most kMostResamples (bootstrap.h)
inline constexpr std::int64_t kLargestSeed = std::int64_t{1} << 53U;  ///< whole in JSON's numbers
inline constexpr std::int64_t kMostShards = 100'000;

}  // namespace kvwave::replay
