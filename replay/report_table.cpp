#include "replay/report_table.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "replay/statistics_table.h"
#include "replay/wrapped_text.h"
#include "traces/progress.h"
#include "traces/repetition.h"

namespace kvwave::replay {

namespace {

constexpr std::size_t kStrategyColumns = 28;

class Table {
 public:
  explicit Table(const Report& report) : report_(report) {}

  std::string text() {
    traces();
    terms();
    profiles();
    std::vector<std::uint32_t> budgets;
    for (const Configuration& configuration : report_.configurations) {
      if (budgets.empty() || budgets.back() != configuration.budget) budgets.push_back(configuration.budget);
    }
    for (const std::uint32_t budget : budgets) group(budget);
    legend();
    out_.append(statistics_table(report_));
    return fmt::to_string(out_);
  }

 private:
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  // Breaks at spaces; lines after the first are indented.
  void paragraph(std::string_view text, std::size_t indent) { print("{}\n", wrapped(text, kTerminalColumns, indent)); }

  void traces() {
    paragraph(kOpenLoopNotice, 0);
    for (const ReportTrace& trace : report_.traces) {
      const Sequence& sequence = trace.sequence;
      paragraph(
          fmt::format("trace {}: {}, {} prompt tokens, {} decode steps, {:.0f} % of 8-grams repeated{}", trace.path,
                      trace.model_name, sequence.n_prompt, sequence.n_steps(), 100 * trace.repeated_8grams,
                      trace.repeated_8grams > traces::kRepetitionFlag ? " (a loop: no measure of reasoning)" : ""),
          2);
    }
  }

  // What else the budgets below mean.
  void terms() {
    if (report_.match_memory) {
      paragraph(
          "memory matched: budgets are asked memory (entries held per KV head, mean); each strategy runs with the "
          "budget that realises it",
          2);
    }
    if (report_.metrics.page > 1) {
      paragraph(
          fmt::format("entries are held in pages of {}: memory and flags count whole pages", report_.metrics.page), 2);
    }
  }

  void profiles() {
    for (const ReportProfile& used : report_.profiles) {
      const bool in_sample = std::any_of(report_.traces.begin(), report_.traces.end(), [&](const ReportTrace& trace) {
        return trace.in_sample && profile_of(report_, trace) == &used;
      });
      if (!in_sample) continue;
      paragraph(fmt::format("in-sample profile: the demand profile{} was made from a trace replayed here; lines marked "
                            "'i' know more than they would on a new problem",
                            used.path.empty() ? "" : " " + used.path),
                2);
    }
    for (const std::string& warning : profile_warnings(report_)) paragraph("warning: " + warning, 2);
  }

  static std::string number(double value, int width, int digits) {
    return std::isnan(value) ? fmt::format("{:>{}}", "-", width) : fmt::format("{:>{}.{}f}", value, width, digits);
  }

  bool is_matched(std::size_t index) const {
    const double solved = report_.lines[index].mean.solved_budget;
    return !std::isnan(solved) && solved != report_.configurations[index].budget;
  }

  // What trigger and protection have of each strategy's gain without its score.
  void explanations(const std::vector<std::size_t>& strategies) {
    std::string text;
    for (const std::size_t c : strategies) {
      const double share = report_.lines[c].mean.protection_share;
      if (std::isnan(share)) continue;
      text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", report_.configurations[c].strategy, 100 * share);
    }
    if (!text.empty()) paragraph("  of the gain over chance, protection alone explains: " + text, 4);
  }

  // A place far outside the scale says only that the scale is short.
  static std::string place(double value) {
    if (value >= 100) return fmt::format("{:>7}", ">99");
    if (value <= -100) return fmt::format("{:>7}", "<-99");
    return number(value, 7, 2);
  }

  void row(std::size_t index) {
    const Configuration& configuration = report_.configurations[index];
    const ReportLine& line = report_.lines[index];
    std::string flags;
    if (line.unequal_mean) flags += 'm';
    if (line.unequal_peak) flags += 'p';
    if (line.in_sample) flags += 'i';
    std::string name = configuration.strategy;
    if (is_matched(index)) name += fmt::format(" @ {:.4g}", line.mean.solved_budget);
    if (name.size() > kStrategyColumns) {
      print("  {}\n", name);
      name.clear();
    }
    print("  {:<{}}{}{}{}{}{}{}{}{}{:>9}{}\n", name, kStrategyColumns, number(line.mean.retained_mass, 7, 4),
          number(line.mean.worst_decile, 7, 4), number(line.mean.output_error, 7, 4), number(line.mean.recall, 6, 3),
          place(line.mean.place_oracle), place(line.mean.place_ceiling), number(line.mean.realised_mean, 8, 1),
          number(line.mean.realised_peak, 8, 1),
          std::isnan(line.mean.bytes_peak)
              ? "-"
              : traces::human_bytes(static_cast<std::uint64_t>(std::llround(line.mean.bytes_peak))),
          last_cell(flags));
  }

  void group(std::uint32_t budget) {
    std::vector<std::size_t> strategies, controls;
    std::uint32_t counted = 0;
    for (std::size_t c = 0; c < report_.configurations.size(); ++c) {
      if (report_.configurations[c].budget != budget) continue;
      (report_.configurations[c].control ? controls : strategies).push_back(c);
      counted = std::max(counted, report_.lines[c].n_counted);
    }
    if (counted == 0) {
      print("\nbudget {}: no counted step, the sequence never outgrows it\n", budget);
      return;
    }
    const auto best_first = [&](std::size_t a, std::size_t b) {
      return report_.lines[a].mean.retained_mass > report_.lines[b].mean.retained_mass;
    };
    std::stable_sort(strategies.begin(), strategies.end(), best_first);
    std::stable_sort(controls.begin(), controls.end(), best_first);
    const std::string title = fmt::format("budget {} ({} steps)", budget, counted);
    print("\n{:<{}}{:>7}{:>7}{:>7}{:>6}{:>7}{:>7}{:>8}{:>8}{:>9}\n", title, kStrategyColumns + 2, "mass", "worst",
          "error", "top32", "oracle", "ceil", "entries", "peak", "memory");
    for (const std::size_t c : strategies) row(c);
    if (!controls.empty()) print("  controls\n");
    for (const std::size_t c : controls) row(c);
    explanations(strategies);
  }

  void legend() {
    print("\n");
    paragraph(
        "mass: share of full attention on what is still held (mean over counted steps, layers, heads); worst: its "
        "worst tenth of steps; error: |o_S - o| / |o| of the attention output, pooled; top32: recall of each row's "
        "top 32; oracle, ceil: where mass stands between the random control (0) and the oracle, the ceiling (1); "
        "entries, peak: KV entries read per KV head, mean and largest; memory: K and V of the peak, all layers. "
        "replay/METRICS.md defines each.",
        2);
    bool unequal_mean = false, unequal_peak = false;
    for (const ReportLine& line : report_.lines) {
      unequal_mean |= line.unequal_mean;
      unequal_peak |= line.unequal_peak;
    }
    if (unequal_mean) {
      paragraph(
          "m: reads a mean number of entries that differs by more than 1 % from its baseline's: not compared at "
          "equal memory",
          2);
    }
    bool matched = false;
    for (std::size_t c = 0; c < report_.lines.size(); ++c) matched |= is_matched(c);
    if (matched) paragraph("@ N: runs with budget N, found to realise the memory that was asked for", 2);
    if (unequal_peak) {
      paragraph("p: its peak differs by more than 1 % from its baseline's: not compared at equal memory", 2);
    }
    if (report_.stored_rows) {
      paragraph("mass is a lower bound where rows were read from the attention level; the CSV holds the upper bound",
                2);
    }
  }

  const Report& report_;
  fmt::memory_buffer out_;
};

}  // namespace

std::string report_table(const Report& report) {
  return Table(report).text();
}

}  // namespace kvwave::replay
