#include "replay/equivalence.h"

#include <algorithm>
#include <cmath>

#include "replay/distributions.h"
#include "replay/no_figure.h"

namespace kvwave::replay {

Equivalence equivalence_test(std::span<const double> differences, double delta) {
  constexpr double kAlpha = 0.05;
  if (differences.size() < 2) return {kNoFigure, false};
  const auto n = static_cast<double>(differences.size());
  double mean = 0, squares = 0;
  for (const double difference : differences) mean += difference / n;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  // Without any scatter the quotients are infinite, with the right sign; exactly at a bound it is not inside.
  const auto tail = [&](double distance) {
    if (error == 0) return distance > 0 ? 0.0 : 1.0;
    return student_cdf(-distance / error, n - 1);
  };
  const double p_value = std::max(tail(mean + delta), tail(delta - mean));
  return {p_value, p_value < kAlpha};
}

}  // namespace kvwave::replay
