#include "replay/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "replay/distributions.h"
#include "replay/no_figure.h"
#include "replay/random_stream.h"

namespace kvwave::replay {
namespace {

// Linear interpolation between the order statistics around share * (n - 1). Reorders the values.
double quantile(std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[static_cast<std::size_t>(below)];
  if (below + 1 >= static_cast<std::ptrdiff_t>(values.size())) return low;
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (at - static_cast<double>(below)) * (high - low);
}

Interval expanded_interval(std::vector<double>& drawn, std::size_t n_units, double level) {
  std::erase_if(drawn, [](double value) { return std::isnan(value); });
  if (n_units < 2 || drawn.empty()) return {kNoFigure, kNoFigure};
  const auto n = static_cast<double>(n_units);
  const double share = normal_cdf(std::sqrt(n / (n - 1)) * student_quantile(0.5 * (1 - level), n - 1));
  return {quantile(drawn, share), quantile(drawn, 1 - share)};
}

void draw(const RandomStream& random, std::uint32_t resample, std::span<std::uint32_t> units) {
  const std::uint64_t n = units.size();
  for (std::uint64_t i = 0; i < n; ++i) units[i] = static_cast<std::uint32_t>(random.below(resample * n + i, n));
}

}  // namespace

Interval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  const auto n = static_cast<std::uint32_t>(values.size());
  // Every mean of equal values is that value; resampling would only add rounding.
  if (n > 1 && std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); })) {
    return {values.front(), values.front()};
  }
  return bootstrap(n, 0, options, [&](std::span<const std::uint32_t> units) {
    double sum = 0;
    for (const std::uint32_t unit : units) sum += values[unit];
    return sum / static_cast<double>(units.size());
  });
}

Interval bootstrap(std::uint32_t n, std::uint64_t stream, const BootstrapOptions& options,
                   const std::function<double(std::span<const std::uint32_t>)>& statistic) {
  if (n < 2) return {kNoFigure, kNoFigure};
  const RandomStream random(options.seed, stream);
  std::vector<std::uint32_t> units(n);
  std::vector<double> drawn(options.resamples);
  for (std::uint32_t r = 0; r < options.resamples; ++r) {
    draw(random, r, units);
    drawn[r] = statistic(units);
  }
  return expanded_interval(drawn, n, options.level);
}

Interval bootstrap_two(
    std::uint32_t n, std::uint32_t m, const BootstrapOptions& options,
    const std::function<double(std::span<const std::uint32_t>, std::span<const std::uint32_t>)>& statistic) {
  if (n < 2 || m < 2) return {kNoFigure, kNoFigure};
  const RandomStream first(options.seed, 0), second(options.seed, 1);
  std::vector<std::uint32_t> units(n), others(m);
  std::vector<double> drawn(options.resamples);
  for (std::uint32_t r = 0; r < options.resamples; ++r) {
    draw(first, r, units);
    draw(second, r, others);
    drawn[r] = statistic(units, others);
  }
  return expanded_interval(drawn, std::min(n, m), options.level);
}

}  // namespace kvwave::replay
