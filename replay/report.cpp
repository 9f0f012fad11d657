#include "replay/report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "replay/mean.h"

namespace kvwave::replay {

const char* const kOpenLoopNotice =
    "Open-loop replay: queries, keys and tokens are those of the full-cache run; the model never reacted to an "
    "eviction.";

namespace {

ReportLine average(const Report& report, std::size_t configuration) {
  ReportLine line;
  for (const ReportTrace& trace : report.traces) line.n_counted += trace.summaries[configuration].n_counted;
  for (const FigureColumn& figure : figure_table()) {
    // Step numbers of different traces have no mean.
    if (figure.value == &Figures::worst_step_at && report.traces.size() > 1) continue;
    std::vector<double> values;
    for (const ReportTrace& trace : report.traces) {
      const double value = trace.summaries[configuration].total.*figure.value;
      if (!std::isnan(value)) values.push_back(value);
    }
    line.mean.*figure.value = mean_of(values);
    const Interval interval = bootstrap_mean(values, report.statistics.bootstrap);
    line.low.*figure.value = interval.low;
    line.high.*figure.value = interval.high;
  }
  return line;
}

bool unequal(double value, double reference) {
  return std::abs(value - reference) > kMemoryTolerance * reference;
}

}  // namespace

void finish_report(Report& report) {
  report.stored_rows = report.in_sample = false;
  for (const ReportTrace& trace : report.traces) {
    report.stored_rows |= trace.stored_rows;
    report.in_sample |= trace.in_sample;
  }
  report.lines.clear();
  for (std::size_t c = 0; c < report.configurations.size(); ++c) report.lines.push_back(average(report, c));
  // Two comparisons are made of a line: within its scorer, and with what differences are taken to.
  const std::vector<std::uint32_t> differences_to = comparison_baselines(report);
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    ReportLine& line = report.lines[c];
    const Configuration& configuration = report.configurations[c];
    line.in_sample = configuration.uses_profile && report.in_sample;
    for (const std::uint32_t other : {configuration.baseline, differences_to[c]}) {
      const bool known = !line.compared_with.empty() && line.compared_with.front() == other;
      if (other != c && !known) line.compared_with.push_back(other);
    }
    if (line.compared_with.empty()) line.compared_with.push_back(static_cast<std::uint32_t>(c));
    if (!is_strategy(configuration.kind)) continue;
    for (const std::uint32_t other : line.compared_with) {
      if (!is_strategy(report.configurations[other].kind)) continue;
      const Figures& baseline = report.lines[other].mean;
      const bool mean = unequal(line.mean.paged_mean, baseline.paged_mean);
      const bool peak = unequal(line.mean.paged_peak, baseline.paged_peak);
      line.unequal_mean |= mean;
      line.unequal_peak |= peak;
      if (mean || peak) line.unequal_to.push_back(other);
    }
  }
  report.comparisons = compare_lines(report);
  report.frontier = compare_frontiers(report);
}

std::string strategies_text(const Report& report, const std::vector<std::uint32_t>& configurations) {
  std::string text;
  for (const std::uint32_t c : configurations) {
    text.append(text.empty() ? "" : "; ").append(report.configurations[c].strategy);
  }
  return text;
}

const ReportProfile* profile_of(const Report& report, const ReportTrace& trace) {
  for (const ReportProfile& profile : report.profiles) {
    if (profile.profile.model_sha256 == trace.model_sha256) return &profile;
  }
  return report.profiles.empty() ? nullptr : &report.profiles.front();
}

std::vector<std::string> profile_warnings(const Report& report) {
  std::vector<std::string> warnings;
  for (const ReportProfile& used : report.profiles) {
    if (used.path.empty()) continue;
    const double limit = fit_limit(used.profile);
    std::size_t n = 0, beyond = 0;
    double sum = 0;
    const ReportTrace *other = nullptr, *farthest = nullptr;
    for (const ReportTrace& trace : report.traces) {
      if (profile_of(report, trace) != &used) continue;
      if (trace.model_sha256 != used.profile.model_sha256) other = &trace;
      if (std::isnan(trace.profile_distance)) continue;
      ++n;
      sum += trace.profile_distance;
      beyond += trace.profile_distance > limit ? 1U : 0U;
      if (farthest == nullptr || trace.profile_distance > farthest->profile_distance) farthest = &trace;
    }
    const std::string distance =
        n == 0 ? "how far its wave is from theirs is unknown (no level stats)"
               : fmt::format("its wave is {:.4f} from theirs on average (W1), at most {:.4f} ({})",
                             sum / static_cast<double>(n), farthest->profile_distance, farthest->path);
    if (other != nullptr) {
      warnings.push_back(fmt::format("profile {} was made from {}, not from the replayed {}: {}", used.path,
                                     used.profile.model_name, other->model_name, distance));
    } else if (beyond > 0) {
      warnings.push_back(fmt::format("profile {} does not fit {} of {} traces: {}; {}", used.path, beyond, n, distance,
                                     fit_limit_text(used.profile)));
    }
  }
  return warnings;
}

std::string devices_of(const Report& report) {
  std::vector<std::string> devices;
  std::string text;
  for (const ReportTrace& trace : report.traces) {
    if (std::find(devices.begin(), devices.end(), trace.device) != devices.end()) continue;
    devices.push_back(trace.device);
    text.append(text.empty() ? "" : "; ").append(trace.device);
  }
  return text;
}

}  // namespace kvwave::replay
