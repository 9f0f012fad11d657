// Private to alloc: the robustifying operator R(x; e, lo, hi, T) that ReasonAlloc applies to layer demands and to head
// counts: power smoothing, bounds, a fixed total.
//
//   u_i = max(x_i, 0)^e                    all zero: u_i = 1
//   b_i = T u_i / sum(u)
//   c_i = clamp(b_i, lo, hi)                clip=demand instead: x_i is clamped to lo and hi times its own mean first
//   literal     r_i = T c_i / sum(c)       one rescale, which can leave [lo, hi] again
//   water-fill  r_i = clamp(k u_i, lo, hi) with k such that sum(r) = T: bounds hold
//
// Reconstructed from second-hand accounts of arXiv 2606.11164 (its equations 1-3 were not available); the order "scale
// to the mean budget, clip, rescale" is the one its readers agree on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::alloc {

enum class OperatorForm { literal, waterfill };
enum class ClipTarget { budget, demand };

struct RobustShares {
  std::vector<double> share;  ///< r, real, sum = total up to rounding
  std::uint32_t below = 0;    ///< b_i < lo_i
  std::uint32_t above = 0;    ///< b_i > hi_i
};

/// demand: finite; exponent >= 0; 0 <= low <= total / n <= high; total > 0.
/// With ClipTarget::demand, low and high still are entries: times n / total they are the bounds on x over its mean, and
/// nothing bounds the result.
RobustShares robust_shares(std::span<const double> demand, double exponent, double low, double high, double total,
                           OperatorForm form, ClipTarget clip = ClipTarget::budget);

/// r_i = clamp(k * weight_i, low, high_i) with k >= 0 such that sum(r) = total. weight >= 0, low <= high_i, and
/// n * low <= total <= sum(high). Items of weight 0 take, in equal parts, only what the others cannot.
std::vector<double> water_fill(std::span<const double> weight, double low, std::span<const double> high, double total);

}  // namespace kvwave::alloc
