#include "replay/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "replay/distributions.h"
#include "replay/random_stream.h"

namespace kvwave::replay {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Interval expanded_interval(std::vector<double>& drawn, std::size_t n_units, double level) {
  std::erase_if(drawn, [](double value) { return std::isnan(value); });
  if (n_units < 2 || drawn.empty()) return {kNan, kNan};
  std::sort(drawn.begin(), drawn.end());
  const auto n = static_cast<double>(n_units);
  const double share = normal_cdf(std::sqrt(n / (n - 1)) * student_quantile(0.5 * (1 - level), n - 1));
  return {sorted_quantile(drawn, share), sorted_quantile(drawn, 1 - share)};
}

void draw(const RandomStream& random, std::uint32_t resample, std::span<std::uint32_t> units) {
  const std::uint64_t n = units.size();
  for (std::uint64_t i = 0; i < n; ++i) units[i] = static_cast<std::uint32_t>(random.below(resample * n + i, n));
}

}  // namespace

double sorted_quantile(std::span<const double> sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

Interval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  const auto n = static_cast<std::uint32_t>(values.size());
  return bootstrap(n, 0, options, [&](std::span<const std::uint32_t> units) {
    double sum = 0;
    for (const std::uint32_t unit : units) sum += values[unit];
    return sum / static_cast<double>(units.size());
  });
}

Interval bootstrap(std::uint32_t n, std::uint64_t stream, const BootstrapOptions& options,
                   const std::function<double(std::span<const std::uint32_t>)>& statistic) {
  if (n < 2) return {kNan, kNan};
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
  if (n < 2 || m < 2) return {kNan, kNan};
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
