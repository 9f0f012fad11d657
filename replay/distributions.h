// Distribution functions that intervals and tests need. Accurate to 1e-10.
#pragma once

namespace kvwave::replay {

/// Pr(Z <= x) of the standard normal distribution.
double normal_cdf(double x);

/// Pr(T <= t) of Student's t with `degrees` > 0 degrees of freedom (need not be whole). t may be infinite.
double student_cdf(double t, double degrees);

/// The t with student_cdf(t, degrees) = probability, probability in (0, 1). Throws std::invalid_argument outside.
double student_quantile(double probability, double degrees);

}  // namespace kvwave::replay
