#include "replay/report_ledger.h"

#include <fmt/format.h>

#include "replay/ledger.h"

namespace kvwave::replay {

namespace {

template <class Use>
void for_each_entry(const Report& report, const ReportTrace& trace, const Use& use) {
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    use(LedgerEntry{.trace = trace.path,
                    .sequence = &trace.sequence,
                    .value_bytes = trace.value_bytes,
                    .page = report.metrics.page,
                    .configuration = &report.configurations[c],
                    .baseline = strategies_text(report, report.lines[c].compared_with),
                    .unequal_to = strategies_text(report, report.lines[c].unequal_to),
                    .unequal_mean = report.lines[c].unequal_mean,
                    .unequal_peak = report.lines[c].unequal_peak,
                    .summary = &trace.summaries[c]});
  }
}

}  // namespace

std::string ledger_csv_rows(const Report& report, const ReportTrace& trace) {
  std::string text;
  for_each_entry(report, trace, [&](const LedgerEntry& entry) { text += ledger_csv_lines(entry); });
  return text;
}

std::string report_ledger_table(const Report& report) {
  std::string text;
  for (const ReportTrace& trace : report.traces) {
    text += ledger_table_header(report.metrics.page, report.match_memory);
    if (report.traces.size() > 1) text += fmt::format("trace {}\n", trace.path);
    for_each_entry(report, trace, [&](const LedgerEntry& entry) { text += ledger_table_lines(entry); });
  }
  return text + ledger_table_legend();
}

}  // namespace kvwave::replay
