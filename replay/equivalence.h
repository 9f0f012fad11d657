// "Equal within delta": a claim of its own, which a large p-value of a difference never supports.
#pragma once

#include <span>

namespace kvwave::replay {

struct Equivalence {
  double p_value = 0;  ///< the larger of the two one-sided p-values
  bool equal = false;  ///< p_value < 0.05: the mean difference lies inside (-delta, delta)
};

/// Two one-sided paired t-tests (TOST; Schuirmann 1987) of the mean of `differences` against -delta and delta > 0. The
/// same as asking whether the 90 % t-interval lies inside (-delta, delta). Below two differences: NaN, not equal.
Equivalence equivalence_test(std::span<const double> differences, double delta);

}  // namespace kvwave::replay
