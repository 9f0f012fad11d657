// The arithmetic mean, added up in the order given.
#pragma once

#include <span>

#include "replay/no_figure.h"

namespace kvwave::replay {

/// NaN of no values.
inline double mean_of(std::span<const double> values) {
  if (values.empty()) return kNoFigure;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace kvwave::replay
