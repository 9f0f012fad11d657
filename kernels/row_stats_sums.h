// Exact sums of probabilities in units of 2^-42, shared by the fast row statistics and by their definition.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/row_stats_passes.h"

namespace kvwave::kernels {

/// A probability rounded down to whole units; `value` in [0, 2).
inline std::uint64_t exact_units(float value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value * kSumScale));
}
inline std::uint64_t exact_units(std::uint32_t bits) {
  return exact_units(std::bit_cast<float>(bits));
}

/// Units that "at least rho" asks for, at least 1.
inline std::uint64_t exact_target(double rho) {
  const double units = std::ceil(rho * static_cast<double>(kSumScale));
  return units < 1.0 ? 1 : static_cast<std::uint64_t>(units);
}
/// Units that "at least 1 - epsilon of the row" asks for.
inline std::uint64_t covering_target(double epsilon, std::uint64_t total) {
  return static_cast<std::uint64_t>(std::ceil((1.0 - epsilon) * static_cast<double>(total)));
}

inline std::uint64_t exact_sum(std::span<const float> values) {
  std::uint64_t sum = 0;
  for (const float value : values) sum += exact_units(value);
  return sum;
}
inline float exact_mass(std::span<const float> values) {
  return static_cast<float>(static_cast<double>(exact_sum(values)) / static_cast<double>(kSumScale));
}

/// The smallest float that is not below a mass that was not stored, at least 0.
inline float round_up_residual(double residual) {
  if (!(residual > 0)) return 0.0F;
  const auto nearest = static_cast<float>(residual);
  return static_cast<double>(nearest) >= residual ? nearest
                                                  : std::nextafter(nearest, std::numeric_limits<float>::infinity());
}
/// Residual of fp32 values: units are rounded down, so the sum is never too large.
inline float exact_residual(std::span<const float> stored) {
  return round_up_residual(1.0 - static_cast<double>(exact_sum(stored)) / static_cast<double>(kSumScale));
}

}  // namespace kvwave::kernels
