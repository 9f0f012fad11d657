// The figure of what cannot be said: nothing to average, no interval, no p value, no distance.
#pragma once

#include <limits>

namespace kvwave::replay {

inline constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();

}  // namespace kvwave::replay
