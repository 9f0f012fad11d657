#include "replay/step_figures.h"

#include <algorithm>
#include <cmath>

namespace kvwave::replay {

WorstSteps worst_steps(std::span<const float> values, std::uint32_t first_step, Worst worst) {
  const float sign = worst == Worst::highest ? -1.0F : 1.0F;
  WorstSteps found;
  std::vector<float> goodness;  // smaller is worse
  goodness.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float good = sign * values[i];
    if (std::isnan(good)) continue;
    if (found.step < 0 || good < sign * static_cast<float>(found.value)) {
      found.step = static_cast<std::int64_t>(first_step + i);
      found.value = values[i];
    }
    goodness.push_back(good);
  }
  if (goodness.empty()) return found;
  const std::size_t n = (goodness.size() + 9) / 10;
  std::nth_element(goodness.begin(), goodness.begin() + static_cast<std::ptrdiff_t>(n - 1), goodness.end());
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += goodness[i];
  found.decile = static_cast<double>(sign) * sum / static_cast<double>(n);
  return found;
}

Drops count_drops(std::span<const float> retained_mass) {
  Drops drops;
  bool below = false;
  for (const float mass : retained_mass) {
    const bool now = mass < kRecoveryLevel;
    drops.n_drops += now && !below ? 1U : 0U;
    drops.n_steps_below += now ? 1U : 0U;
    below = now;
  }
  return drops;
}

// Over ascending values x_0 .. x_(n-1) the sum over all pairs is 2 sum_i (2 i - n + 1) x_i.
double gini(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  if (sorted.empty() || std::any_of(sorted.begin(), sorted.end(), [](double x) { return std::isnan(x); })) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double sum = 0, weighted = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    weighted += (2 * static_cast<double>(i) - n + 1) * sorted[i];
  }
  return sum > 0 ? weighted / (n * sum) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace kvwave::replay
