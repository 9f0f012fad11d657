// Figures formed from one value per step: the worst tenth, the worst step, and how long a drop lasts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "replay/no_figure.h"

namespace kvwave::replay {

/// Retained mass below this is a drop.
inline constexpr float kRecoveryLevel = 0.9F;

enum class Worst { lowest, highest };

struct WorstSteps {
  double decile = kNoFigure;                                 ///< mean of the worst tenth, rounded up, of the steps
  double value = kNoFigure;                                  ///< of the worst step
  std::int64_t step = -1;                                    ///< the first of the worst steps; -1 without any
};

/// values[i] belongs to step first_step + i. Steps whose value is NaN do not count.
WorstSteps worst_steps(std::span<const float> values, std::uint32_t first_step, Worst worst);

/// A drop begins in a step below kRecoveryLevel whose predecessor, if any, is not below it, and lasts until the level
/// is reached again or the steps end.
struct Drops {
  std::uint32_t n_drops = 0;
  std::uint32_t n_steps_below = 0;  ///< of all drops together
};

Drops count_drops(std::span<const float> retained_mass);

/// Gini coefficient: sum over all pairs of |x_i - x_j| / (2 n^2 mean). 0 = all equal, 1 - 1 / n = one has all. NaN
/// without values, and where all are 0 or one is NaN.
double gini(std::span<const double> values);

}  // namespace kvwave::replay
