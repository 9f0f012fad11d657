// Headline figures of configurations over all traces of the results: equal weight per trace, with the 95 % confidence
// half-width that the table prints.
#pragma once

#include <string_view>
#include <vector>

#include "replay/results_reader.h"

namespace kvwave::viewer {

struct Headline {
  std::vector<double> mean;        ///< [C]; empty when the file has no such figure
  std::vector<double> half_width;  ///< [C]; NaN with one trace
  bool empty() const { return mean.empty(); }
};

/// `figure` is a column name of the CSV, e.g. "realised_mean". Throws as ResultsReader.
Headline headline(const replay::ResultsReader& reader, std::string_view figure);

}  // namespace kvwave::viewer
