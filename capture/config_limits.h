// The largest numbers that a model may state. Generous, and such that their products stay far inside 64 bits.
#pragma once

#include <cstdint>

namespace kvwave::capture {

inline constexpr std::uint32_t kMostLayers = 4096;
inline constexpr std::uint32_t kWidest = 1U << 20;  // hidden and feed-forward size
inline constexpr std::uint32_t kMostHeads = 4096;
inline constexpr std::uint32_t kWidestHead = 4096;
inline constexpr std::uint32_t kLongestContext = 1U << 30;
inline constexpr double kLargestTheta = 1e15;
inline constexpr double kLargestScale = 1e6;
inline constexpr double kLeastEpsilon = 1e-12, kLargestEpsilon = 0.1;

}  // namespace kvwave::capture
