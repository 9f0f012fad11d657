// Correction for comparing many strategies with one baseline.
#pragma once

#include <span>
#include <vector>

namespace kvwave::replay {

/// Holm's step-down adjusted p-values (Scandinavian Journal of Statistics 6, 1979), in the order given: rejecting where
/// the adjusted value is below alpha keeps the chance of any false rejection below alpha. NaN stays NaN and does not
/// count as a comparison.
std::vector<double> holm_adjusted(std::span<const double> p_values);

}  // namespace kvwave::replay
