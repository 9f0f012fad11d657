#include "replay/paired_difference.h"

#include <cmath>

#include "replay/mean.h"
#include "replay/no_figure.h"
#include "replay/random_stream.h"

namespace kvwave::replay {
namespace {

constexpr std::size_t kMostExact = 14;
constexpr std::uint32_t kRandomPatterns = 20'000;
constexpr std::uint64_t kPatternStream = 2;  // 0 and 1 are the bootstrap's

}  // namespace

double sign_flip_p_value(std::span<const double> differences, std::uint64_t seed) {
  const std::size_t n = differences.size();
  if (n == 0) return kNoFigure;
  double observed = 0, size = 0;
  for (const double difference : differences) {
    observed += difference;
    size += std::abs(difference);
  }
  // Sums of the same numbers in another order: what differs by rounding only counts as equal.
  const double reached = std::abs(observed) - 1e-12 * size;
  if (n <= kMostExact) {
    std::uint32_t hits = 0;
    const std::uint32_t patterns = 1U << n;
    for (std::uint32_t pattern = 0; pattern < patterns; ++pattern) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += (pattern >> i & 1U) != 0 ? -differences[i] : differences[i];
      hits += std::abs(sum) >= reached ? 1U : 0U;
    }
    return static_cast<double>(hits) / patterns;
  }
  const RandomStream random(seed, kPatternStream);
  const std::size_t words = (n + 63) / 64;
  std::uint32_t hits = 1;
  for (std::uint32_t pattern = 0; pattern < kRandomPatterns; ++pattern) {
    double sum = 0;
    for (std::size_t w = 0; w < words; ++w) {
      const std::uint64_t bits = random.bits(std::uint64_t{pattern} * words + w);
      for (std::size_t i = w * 64; i < n && i < (w + 1) * 64; ++i) {
        sum += (bits >> (i % 64) & 1U) != 0 ? -differences[i] : differences[i];
      }
    }
    hits += std::abs(sum) >= reached ? 1U : 0U;
  }
  return static_cast<double>(hits) / (kRandomPatterns + 1.0);
}

double paired_effect_size(std::span<const double> differences) {
  const auto n = static_cast<double>(differences.size());
  if (n < 3) return kNoFigure;
  const double mean = mean_of(differences);
  double squares = 0;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  if (mean == 0) return 0;
  return mean / std::sqrt(squares / (n - 1)) * (1 - 3 / (4 * (n - 1) - 1));
}

}  // namespace kvwave::replay
