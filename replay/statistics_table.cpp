#include "replay/statistics_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "replay/figure_table.h"
#include "replay/wrapped_text.h"

namespace kvwave::replay {
namespace {

constexpr std::size_t kTitleColumns = 34;
constexpr std::array<std::string_view, 2> kShown = {"retained_mass", "output_error"};
constexpr double kAlpha = 0.05;

std::size_t figure_index(std::string_view name) {
  const auto table = figure_table();
  return static_cast<std::size_t>(
      std::find_if(table.begin(), table.end(), [&](const FigureColumn& figure) { return figure.name == name; }) -
      table.begin());
}

class StatisticsText {
 public:
  explicit StatisticsText(const Report& report) : report_(report) {}

  std::string text() {
    heading();
    for (const std::string_view figure : kShown) differences(figure);
    frontier();
    return fmt::to_string(out_);
  }

 private:
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  void heading() {
    const std::size_t n = report_.traces.size();
    const StatisticsSettings& settings = report_.statistics;
    print(
        "\nOver {} traces, each of equal weight (steps and heads of a trace are not independent): {:g} % bootstrap\n"
        "intervals ({} resamples of traces, seed {}); p: paired sign-flip test, corrected by Holm over strategies.\n",
        n, 100 * settings.bootstrap.level, settings.bootstrap.resamples, settings.bootstrap.seed);
    if (n < kFewTraces) print("Only {} traces: intervals and tests mean little below {}.\n", n, kFewTraces);
  }

  // 'better' and 'worse' only where both the interval and the corrected test say so.
  static std::string_view verdict(const FigureComparison& found, Better better) {
    if (found.equal) return "equal";
    if (!(found.p_holm < kAlpha) || found.interval.contains(0)) return "";
    return (found.difference > 0) == (better == Better::higher) ? "better" : "worse";
  }

  void differences(std::string_view name) {
    const std::size_t f = figure_index(name);
    bool any = false;
    for (std::size_t c = 0; c < report_.comparisons.size(); ++c) {
      const LineComparison& line = report_.comparisons[c];
      if (line.figures.empty() || line.figures[f].n == 0) continue;
      if (!any) {
        print("\n{:<{}}{:>7}{:>9}  {:^19}{:>8}{:>8}{:>4}\n", fmt::format("{} minus baseline", name), kTitleColumns,
              "budget", "mean", "interval", "effect", "p", "n");
      }
      any = true;
      const FigureComparison& found = line.figures[f];
      const Configuration& configuration = report_.configurations[c];
      std::string strategy = configuration.strategy;
      if (strategy.size() + 3 > kTitleColumns) {
        print("  {}\n", strategy);
        strategy.clear();
      }
      const std::string_view word = configuration.control ? "control" : verdict(found, figure_table()[f].better);
      print("  {:<{}}{:>7}{:>+9.4f}  [{:>+8.4f},{:>+8.4f}]{:>8}{:>8}{:>4}{}\n", strategy, kTitleColumns - 2,
            configuration.budget, found.difference, found.interval.low, found.interval.high,
            number(found.effect_size, 2), number(configuration.control ? found.p_value : found.p_holm, 4), found.n,
            last_cell(word));
    }
    if (any) baselines();
  }

  void baselines() {
    std::vector<std::uint32_t> seen;
    for (const LineComparison& line : report_.comparisons) {
      if (std::find(seen.begin(), seen.end(), line.baseline) == seen.end()) seen.push_back(line.baseline);
    }
    const std::string& first = report_.configurations[seen.front()].strategy;
    print("  baseline: {} at the same budget; controls are compared without correction", first);
    if (report_.statistics.equal_within) {
      print("; equal: within {:g} (TOST, p < 0.05)", *report_.statistics.equal_within);
    }
    print("\n");
  }

  void frontier() {
    if (report_.frontier.empty()) {
      print("\nNo frontier: the area under a figure against realised memory needs at least {} budgets (-b).\n",
            kFewestFrontierPoints);
      return;
    }
    for (const std::string_view name : kShown) {
      bool any = false;
      for (const FrontierFigure& line : report_.frontier) {
        if (line.figure != name) continue;
        if (!any) {
          print("\n{:<{}}{:>8}  {:^17}{:>10}  {:^19}\n", fmt::format("mean {} over log memory", name), kTitleColumns,
                "area", "interval", "minus base", "interval");
        }
        any = true;
        print("  {:<{}}{:>8.4f}  [{:>7.4f},{:>8.4f}]{:>+10.4f}  [{:>+8.4f},{:>+8.4f}]{}\n", line.strategy,
              kTitleColumns - 2, line.area, line.interval.low, line.interval.high, line.difference,
              line.difference_interval.low, line.difference_interval.high, line.control ? " control" : "");
      }
    }
  }

  static std::string number(double value, int digits) {
    if (std::isnan(value)) return "-";
    return std::abs(value) > 999 ? (value > 0 ? ">999" : "<-999") : fmt::format("{:.{}f}", value, digits);
  }

  const Report& report_;
  fmt::memory_buffer out_;
};

}  // namespace

std::string statistics_table(const Report& report) {
  return report.traces.size() < 2 ? std::string() : StatisticsText(report).text();
}

}  // namespace kvwave::replay
