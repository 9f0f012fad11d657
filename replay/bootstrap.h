// Bootstrap confidence intervals. The unit that is drawn again is the trace (the prompt): steps, layers and heads of
// one trace depend on each other and are never resampled alone.
//
// Percentile intervals are too narrow for few units; the levels are widened so that they match Student's t for
// normal data ("expanded percentile", Hesterberg, The American Statistician 69, 2015): the lower end is the
// Phi(-sqrt(n / (n - 1)) * t(alpha / 2, n - 1)) quantile of the resampled statistic, the upper end its mirror image.
// Quantiles interpolate linearly between order statistics.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace kvwave::replay {

struct Interval {
  double low = 0, high = 0;
  bool contains(double value) const { return low <= value && value <= high; }
};

inline constexpr std::uint32_t kMostResamples = 1'000'000;

struct BootstrapOptions {
  std::uint64_t seed = 1;
  std::uint32_t resamples = 10'000;
  double level = 0.95;  ///< in (0, 1)
};

/// Fewer units than this: an interval is shown, with the word that it means little.
inline constexpr std::size_t kFewTraces = 6;

/// Of the mean of `values`. The same seed and number of values draw the same units, so intervals of differences are
/// paired. NaN, NaN with fewer than two values.
Interval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options);

/// Of any statistic of n >= 1 units: `statistic` gets n indices in [0, n), drawn with replacement (resample r takes
/// numbers r * n .. r * n + n - 1 of stream `stream`). Resamples where it is NaN are left out; NaN, NaN when all are
/// or n < 2.
Interval bootstrap(std::uint32_t n, std::uint64_t stream, const BootstrapOptions& options,
                   const std::function<double(std::span<const std::uint32_t>)>& statistic);

/// Of a statistic of two independent samples, n and m units: both are drawn anew in each resample. The expansion uses
/// the smaller sample.
Interval bootstrap_two(
    std::uint32_t n, std::uint32_t m, const BootstrapOptions& options,
    const std::function<double(std::span<const std::uint32_t>, std::span<const std::uint32_t>)>& statistic);

}  // namespace kvwave::replay
