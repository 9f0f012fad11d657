#include "replay/step_figures.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "replay/no_figure.h"

namespace kvwave::replay {

namespace {

// Sum of the n smallest values (no NaN), 0 < n <= values.size(). Values go into equal parts of their range, so that
// only those of the part in which the n-th lies need an order.
double sum_of_least(std::span<const float> values, std::size_t n) {
  constexpr std::size_t kParts = 256;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const float low = *least, range = *most - low;
  const float scale = range > 0 && std::isfinite(range) ? static_cast<float>(kParts - 1) / range : 0.0F;
  const auto part_of = [&](float value) {
    return scale > 0 ? std::min(kParts - 1, static_cast<std::size_t>((value - low) * scale)) : 0;
  };
  std::array<std::size_t, kParts> count{};
  for (const float value : values) ++count[part_of(value)];
  std::size_t part = 0, before = 0;
  while (before + count[part] < n) before += count[part++];
  std::vector<float> open;
  double sum = 0;
  for (const float value : values) {
    const std::size_t own = part_of(value);
    if (own < part) sum += value;
    if (own == part) open.push_back(value);
  }
  std::sort(open.begin(), open.end());
  for (std::size_t i = 0; i < n - before; ++i) sum += open[i];
  return sum;
}

}  // namespace

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
  found.decile = static_cast<double>(sign) * sum_of_least(goodness, n) / static_cast<double>(n);
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
    return kNoFigure;
  }
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  double sum = 0, weighted = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    weighted += (2 * static_cast<double>(i) - n + 1) * sorted[i];
  }
  return sum > 0 ? weighted / (n * sum) : kNoFigure;
}

}  // namespace kvwave::replay
