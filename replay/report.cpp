#include "replay/report.h"

#include <array>
#include <cmath>
#include <limits>

#include "replay/figure_table.h"

namespace kvwave::replay {

const char* const kOpenLoopNotice =
    "Open-loop replay: queries, keys and tokens are those of the full-cache run; the model never reacted to an "
    "eviction.";

namespace {

// Two-sided 97.5 % quantile of Student's t by degrees of freedom.
double student_t(std::size_t degrees) {
  constexpr std::array kTable = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                 2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086};
  return degrees <= kTable.size() ? kTable[degrees - 1] : 1.96 + 2.4 / static_cast<double>(degrees);
}

ReportLine average(const std::vector<ReportTrace>& traces, std::size_t configuration) {
  ReportLine line;
  for (const ReportTrace& trace : traces) line.n_counted += trace.summaries[configuration].n_counted;
  for (const FigureColumn& column : figure_table()) {
    const auto figure = column.value;
    // Step numbers of different traces have no mean.
    if (figure == &Figures::worst_step_at && traces.size() > 1) continue;
    double sum = 0, square = 0;
    std::size_t n = 0;
    for (const ReportTrace& trace : traces) {
      const double value = trace.summaries[configuration].total.*figure;
      if (std::isnan(value)) continue;
      sum += value;
      ++n;
    }
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double mean = n > 0 ? sum / static_cast<double>(n) : nan;
    line.mean.*figure = mean;
    for (const ReportTrace& trace : traces) {
      const double value = trace.summaries[configuration].total.*figure;
      if (!std::isnan(value)) square += (value - mean) * (value - mean);
    }
    const double count = static_cast<double>(n);
    line.half_width.*figure = n > 1 ? student_t(n - 1) * std::sqrt(square / (count - 1) / count) : nan;
  }
  return line;
}

bool unequal(double value, double reference) {
  return std::abs(value - reference) > kMemoryTolerance * reference;
}

}  // namespace

void finish_report(Report& report) {
  report.configurations = report.traces.front().replay->sweep.configurations;
  report.lines.clear();
  for (std::size_t c = 0; c < report.configurations.size(); ++c) report.lines.push_back(average(report.traces, c));
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    ReportLine& line = report.lines[c];
    const Configuration& configuration = report.configurations[c];
    line.in_sample = configuration.uses_profile && report.profile && report.profile->in_sample;
    if (configuration.kind != ConfigurationKind::destructive) continue;
    const Figures& baseline = report.lines[configuration.baseline].mean;
    line.unequal_mean = unequal(line.mean.paged_mean, baseline.paged_mean);
    line.unequal_peak = unequal(line.mean.paged_peak, baseline.paged_peak);
  }
  report.stored_rows = false;
  for (const ReportTrace& trace : report.traces) report.stored_rows |= trace.replay->stored_rows;
}

}  // namespace kvwave::replay
