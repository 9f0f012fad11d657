#include "viewer/model/headline.h"

#include <cmath>
#include <limits>

#include "replay/distributions.h"

namespace kvwave::viewer {

Headline headline(ResultsCache& results, const std::string& figure, std::span<const std::uint32_t> minus) {
  const replay::ResultsReader& reader = results.reader();
  const std::size_t n_configurations = reader.configurations().size(), n_traces = reader.traces().size();
  std::vector<std::vector<double>> values;  // [trace][C]
  for (std::uint32_t t = 0; t < n_traces; ++t) {
    values.push_back(*results.figure(t, figure));
    if (values.back().empty()) return {};
    if (minus.empty()) continue;
    const std::vector<double> own = values.back();
    for (std::size_t c = 0; c < n_configurations; ++c) values.back()[c] = own[c] - own[minus[c]];
  }
  Headline found{std::vector<double>(n_configurations, 0.0),
                 std::vector<double>(n_configurations, std::numeric_limits<double>::quiet_NaN())};
  const auto n = static_cast<double>(n_traces);
  for (std::size_t c = 0; c < n_configurations; ++c) {
    for (const auto& trace : values) found.mean[c] += trace[c] / n;
    if (n_traces < 2) continue;
    double squares = 0;
    for (const auto& trace : values) squares += (trace[c] - found.mean[c]) * (trace[c] - found.mean[c]);
    found.half_width[c] = replay::student_quantile(0.975, n - 1) * std::sqrt(squares / (n - 1) / n);
  }
  return found;
}

}  // namespace kvwave::viewer
