#include "replay/results_shared.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "replay/no_figure.h"
#include "replay/report_results.h"
#include "replay/results_settings.h"
#include "traces/array_file.h"
#include "traces/command_line.h"

namespace kvwave::replay {
namespace {

using Shape = std::vector<std::uint64_t>;

// What the file says beside its traces.
class SharedResults {
 public:
  SharedResults(traces::ArrayFileWriter& file, const Report& report) : file_(file), report_(report) {}

  void write(const ReportTrace& first) {
    configurations();
    file_.write("/settings", std::vector<std::string>{settings_json(report_)});
    if (!report_.lines.empty()) lines();
    if (!report_.comparisons.empty()) comparisons();
    if (!report_.frontier.empty()) frontier();
    root_attributes(first);
  }

 private:
  void configurations() {
    std::vector<std::string> strategy, full_text, kind;
    std::vector<std::int32_t> budget, control, baseline, uses_profile;
    for (const Configuration& configuration : report_.configurations) {
      strategy.push_back(configuration.strategy);
      full_text.push_back(configuration.full_text);
      kind.emplace_back(to_string(configuration.kind));
      budget.push_back(static_cast<std::int32_t>(configuration.budget));
      control.push_back(configuration.control ? 1 : 0);
      baseline.push_back(static_cast<std::int32_t>(configuration.baseline));
      uses_profile.push_back(configuration.uses_profile ? 1 : 0);
    }
    file_.write("/config/strategy", strategy);
    file_.write("/config/full_text", full_text);
    file_.write("/config/kind", kind);
    integers("/config/budget", budget);
    integers("/config/control", control);
    integers("/config/baseline", baseline);
    integers("/config/uses_profile", uses_profile);
  }

  void lines() {
    std::vector<std::int32_t> unequal_mean, unequal_peak;
    std::vector<std::string> unequal_to;
    for (const ReportLine& line : report_.lines) {
      unequal_mean.push_back(line.unequal_mean ? 1 : 0);
      unequal_peak.push_back(line.unequal_peak ? 1 : 0);
      unequal_to.push_back(strategies_text(report_, line.unequal_to));
    }
    integers("/config/unequal_realised_mean", unequal_mean);
    integers("/config/unequal_realised_peak", unequal_peak);
    file_.write("/config/unequal_to", unequal_to);
    for (const FigureColumn& figure : figure_table()) {
      std::vector<double> mean, low, high;
      for (const ReportLine& line : report_.lines) {
        mean.push_back(line.mean.*figure.value);
        low.push_back(line.low.*figure.value);
        high.push_back(line.high.*figure.value);
      }
      numbers(fmt::format("/config/figure/{}", figure.name), mean);
      if (report_.traces.size() < 2) continue;
      numbers(fmt::format("/config/figure_low/{}", figure.name), low);
      numbers(fmt::format("/config/figure_high/{}", figure.name), high);
    }
  }

  void comparisons() {
    std::vector<std::int32_t> baseline;
    for (const LineComparison& line : report_.comparisons) baseline.push_back(static_cast<std::int32_t>(line.baseline));
    integers("/statistics/baseline", baseline);
    for (std::size_t f = 0; f < figure_table().size(); ++f) {
      const std::string group = fmt::format("/statistics/{}", figure_table()[f].name);
      compared(group + "/difference", f, [](const FigureComparison& found) { return found.difference; });
      compared(group + "/low", f, [](const FigureComparison& found) { return found.interval.low; });
      compared(group + "/high", f, [](const FigureComparison& found) { return found.interval.high; });
      compared(group + "/effect_size", f, [](const FigureComparison& found) { return found.effect_size; });
      compared(group + "/p_value", f, [](const FigureComparison& found) { return found.p_value; });
      compared(group + "/p_holm", f, [](const FigureComparison& found) { return found.p_holm; });
      if (!report_.statistics.equal_within) continue;
      compared(group + "/p_equal", f, [](const FigureComparison& found) { return found.p_equal; });
    }
  }

  // One value per configuration; NaN for the baselines.
  template <class ValueOf>
  void compared(const std::string& name, std::size_t figure, const ValueOf& value_of) {
    std::vector<double> values;
    for (const LineComparison& line : report_.comparisons) {
      values.push_back(line.figures.empty() ? kNoFigure : value_of(line.figures[figure]));
    }
    numbers(name, values);
  }

  void frontier() {
    std::vector<std::string> strategy, figure;
    std::vector<double> area, low, high, difference, difference_low, difference_high;
    for (const FrontierFigure& line : report_.frontier) {
      strategy.push_back(line.strategy);
      figure.push_back(line.figure);
      area.push_back(line.area);
      low.push_back(line.interval.low);
      high.push_back(line.interval.high);
      difference.push_back(line.difference);
      difference_low.push_back(line.difference_interval.low);
      difference_high.push_back(line.difference_interval.high);
    }
    file_.write("/frontier/strategy", strategy);
    file_.write("/frontier/figure", figure);
    numbers("/frontier/area", area);
    numbers("/frontier/low", low);
    numbers("/frontier/high", high);
    numbers("/frontier/difference", difference);
    numbers("/frontier/difference_low", difference_low);
    numbers("/frontier/difference_high", difference_high);
  }

  void root_attributes(const ReportTrace& first) {
    const traces::Version version = traces::program_version();
    file_.attribute("/", "format", std::string_view("kvwave-results"));
    file_.attribute("/", "format_version", std::int64_t{kResultsVersion});
    file_.attribute("/", "program_version", version.version);
    file_.attribute("/", "program_commit", version.commit);
    file_.attribute("/", "replay_sha256", replay_sha256(report_));
    file_.attribute("/", "model_name", first.model_name);
    file_.attribute("/", "model_sha256", first.model_sha256);
    file_.attribute("/", "device", report_.traces.empty() ? first.device : devices_of(report_));
    file_.attribute("/", "notice", std::string_view(kOpenLoopNotice));
    file_.attribute("/", "n_layers", std::int64_t{first.sequence.n_layers});
    file_.attribute("/", "n_q_heads", std::int64_t{first.sequence.n_q_heads});
    file_.attribute("/", "n_kv_heads", std::int64_t{first.sequence.n_kv_heads});
    file_.attribute("/", "head_dim", std::int64_t{first.sequence.head_dim});
    if (report_.profiles.empty()) return;
    file_.attribute("/", "profile_rho", report_.profiles.front().profile.rho);
    file_.attribute("/", "profile_demand", std::span<const double>(report_.profiles.front().profile.demand));
    file_.attribute("/", "profile_in_sample", std::int64_t{report_.in_sample ? 1 : 0});
  }

  void integers(const std::string& name, const std::vector<std::int32_t>& values) {
    file_.write(name, Shape{values.size()}, std::span<const std::int32_t>(values));
  }
  void numbers(const std::string& name, const std::vector<double>& values) {
    file_.write(name, Shape{values.size()}, std::span<const double>(values));
  }

  traces::ArrayFileWriter& file_;
  const Report& report_;
};

}  // namespace

void write_shared_results(traces::ArrayFileWriter& file, const Report& report, const ReportTrace& first) {
  SharedResults(file, report).write(first);
}

}  // namespace kvwave::replay
