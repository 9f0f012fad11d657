// Headline figures of configurations over all traces of the results: equal weight per trace, with the 95 % confidence
// half-width that the table prints.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "viewer/model/results_cache.h"

namespace kvwave::viewer {

struct Headline {
  std::vector<double> mean;        ///< [C]; empty when the file has no such figure
  std::vector<double> half_width;  ///< [C]; NaN with one trace
  bool empty() const { return mean.empty(); }
};

/// `figure` is a column name of the CSV, e.g. "realised_mean". With `minus`, [C], each configuration's difference to
/// configuration minus[c], trace by trace, so that the interval is that of the paired difference. Throws as
/// ResultsReader.
Headline headline(ResultsCache& results, const std::string& figure, std::span<const std::uint32_t> minus = {});

}  // namespace kvwave::viewer
