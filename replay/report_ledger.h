// The ledger of a report: a table of its configurations, and a CSV with every layer and KV head.
#pragma once

#include <string>

#include "replay/report.h"

namespace kvwave::replay {

/// Lines below ledger_csv_header() (replay/ledger.h) of one trace of `report`, which needs the figures of its KV heads.
/// RESULTS.md lists the columns.
std::string ledger_csv_rows(const Report& report, const ReportTrace& trace);

/// Trace by trace; at most 100 columns wide.
std::string report_ledger_table(const Report& report);

}  // namespace kvwave::replay
