#include "replay/step_figures.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "replay/no_figure.h"

namespace kvwave::replay {

namespace {

constexpr std::int32_t kNoKey = std::numeric_limits<std::int32_t>::max();  // of NaN; beyond that of infinity

// Whole numbers in the order of the values: the bits of a float order as a number does, those of negative ones the
// other way round.
std::int32_t order_key(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return std::isnan(value) ? kNoKey : bits ^ ((bits >> 31) & kNoKey);
}

float value_at_key(std::int32_t key) {
  return std::bit_cast<float>(key ^ ((key >> 31) & kNoKey));
}

std::size_t count_below(std::span<const std::int32_t> keys, std::int32_t limit) {
  std::int32_t count = 0;
  for (const std::int32_t key : keys) count += key < limit ? 1 : 0;
  return static_cast<std::size_t>(count);
}

// The n-th smallest key, 0 < n <= number of keys other than kNoKey, all of which lie in [least, most]. Bisection:
// counting takes whole vectors, sorting does not.
std::int32_t nth_key(std::span<const std::int32_t> keys, std::int32_t least, std::int32_t most, std::size_t n) {
  std::int64_t low = least, high = std::int64_t{most} + 1;  // fewer than n keys are below low, n or more below high
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (count_below(keys, static_cast<std::int32_t>(middle)) < n ? low : high) = middle;
  }
  return static_cast<std::int32_t>(low);
}

// Sum of the values whose key is below `limit`, in four lines of addition that do not wait for each other.
double sum_below(std::span<const float> values, std::span<const std::int32_t> keys, std::int32_t limit) {
  std::array<double, 4> sum{};
  std::size_t i = 0;
  for (; i + 4 <= keys.size(); i += 4) {
    for (std::size_t j = 0; j < 4; ++j) sum[j] += keys[i + j] < limit ? values[i + j] : 0.0F;
  }
  for (; i < keys.size(); ++i) sum[0] += keys[i] < limit ? values[i] : 0.0F;
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

WorstSteps worst_steps(std::span<const float> values, std::uint32_t first_step, Worst worst) {
  const float sign = worst == Worst::highest ? -1.0F : 1.0F;
  WorstSteps found;
  std::vector<std::int32_t> keys(values.size());  // smaller is worse
  std::int32_t least = kNoKey, most = std::numeric_limits<std::int32_t>::min();
  for (std::size_t i = 0; i < values.size(); ++i) {
    keys[i] = order_key(sign * values[i]);
    least = std::min(least, keys[i]);
    most = std::max(most, keys[i] == kNoKey ? most : keys[i]);
  }
  const std::size_t n_values = count_below(keys, kNoKey);
  if (n_values == 0) return found;
  found.step = first_step + (std::find(keys.begin(), keys.end(), least) - keys.begin());
  found.value = sign * value_at_key(least);
  const std::size_t n = (n_values + 9) / 10;
  const std::int32_t last = nth_key(keys, least, most, n);
  const double ties = static_cast<double>(n - count_below(keys, last)) * sign * value_at_key(last);
  found.decile = (sum_below(values, keys, last) + ties) / static_cast<double>(n);
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
