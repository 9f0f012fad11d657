#include "replay/statistics_csv.h"

#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "replay/report_csv.h"

namespace kvwave::replay {
namespace {

class StatisticsTable {
 public:
  explicit StatisticsTable(const Report& report) : report_(report) {}

  std::string text() {
    put("strategy,budget,control,figure,n,mean,low,high,baseline,difference,difference_low,difference_high,"
        "effect_size,p_value,p_holm,p_equal\n");
    for (std::size_t c = 0; c < report_.configurations.size(); ++c) configuration(c);
    for (const FrontierFigure& line : report_.frontier) area(line);
    return fmt::to_string(out_);
  }

 private:
  void configuration(std::size_t c) {
    const Configuration& configuration = report_.configurations[c];
    for (std::size_t f = 0; f < figure_table().size(); ++f) {
      const FigureColumn& figure = figure_table()[f];
      std::size_t n = 0;
      for (const ReportTrace& trace : report_.traces) n += std::isnan(trace.summaries[c].total.*figure.value) ? 0U : 1U;
      if (n == 0) continue;
      const ReportLine& line = report_.lines[c];
      put(fmt::format("{},{},{},{},{}", csv_field(configuration.strategy), configuration.budget,
                      configuration.control ? 1 : 0, figure.name, n));
      numbers({line.mean.*figure.value, line.low.*figure.value, line.high.*figure.value});
      if (report_.comparisons.empty() || report_.comparisons[c].figures.empty()) {
        put(",,,,,,,,\n");
        continue;
      }
      const LineComparison& compared = report_.comparisons[c];
      const FigureComparison& found = compared.figures[f];
      put(fmt::format(",{}", csv_field(report_.configurations[compared.baseline].strategy)));
      numbers({found.difference, found.interval.low, found.interval.high, found.effect_size, found.p_value,
               found.p_holm, found.p_equal});
      put("\n");
    }
  }

  void area(const FrontierFigure& line) {
    put(fmt::format("{},,{},{}_area,{}", csv_field(line.strategy), line.control ? 1 : 0, line.figure, line.n));
    numbers({line.area, line.interval.low, line.interval.high});
    const std::uint32_t baseline = comparison_baselines(report_).front();
    put(fmt::format(",{}", csv_field(report_.configurations[baseline].strategy)));
    numbers({line.difference, line.difference_interval.low, line.difference_interval.high});
    put(",,,,\n");
  }

  void put(std::string_view text) { out_.append(text); }
  void numbers(std::initializer_list<double> values) {
    for (const double value : values) put(std::isnan(value) ? "," : fmt::format(",{:.9g}", value));
  }

  const Report& report_;
  fmt::memory_buffer out_;
};

}  // namespace

std::string statistics_csv(const Report& report) {
  return StatisticsTable(report).text();
}

}  // namespace kvwave::replay
