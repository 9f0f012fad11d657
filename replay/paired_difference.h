// Is a mean difference over traces more than chance, and how large is it in units of its own scatter?
#pragma once

#include <cstdint>
#include <span>

namespace kvwave::replay {

/// Two-sided p-value of the paired sign-flip (randomisation) test on the mean of `differences`: the share of sign
/// patterns whose |sum| reaches the observed one. All 2^n patterns up to n = 14; beyond, 20,000 random ones of `seed`
/// plus the observed: (1 + hits) / 20,001. 1 where all differences are 0; NaN without any. With n differences no
/// p-value is below 2^(1 - n).
double sign_flip_p_value(std::span<const double> differences, std::uint64_t seed);

/// Hedges' g of paired differences: mean / standard deviation (n - 1), times 1 - 3 / (4 (n - 1) - 1). 0 where all are
/// 0, infinite where all are equal and not 0, NaN below three.
double paired_effect_size(std::span<const double> differences);

}  // namespace kvwave::replay
