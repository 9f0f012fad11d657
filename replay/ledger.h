// The ledger of a replay: requested against realised memory, in entries and in bytes, so that a reader can audit every
// comparison. METRICS.md, "Memory", defines the figures.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "replay/sequence.h"
#include "replay/summary.h"
#include "replay/sweep.h"

namespace kvwave::replay {

/// One configuration on one trace.
struct LedgerEntry {
  std::string_view trace;  ///< path as given
  const Sequence* sequence = nullptr;
  std::uint32_t value_bytes = 2, page = 1;
  const Configuration* configuration = nullptr;
  std::string baseline;    ///< strategies that its memory is compared with, "; " between them
  std::string unequal_to;  ///< those of them that it differs from
  bool unequal_mean = false, unequal_peak = false;
  const ConfigurationSummary* summary = nullptr;
};

/// Query heads that read one cache: the group, or 1 where every query head holds its own entries.
std::uint32_t readers_per_cache(const Configuration& configuration, const Sequence& sequence);

std::string ledger_csv_header();
/// One line for the configuration (layer and kv_head empty), then one per KV head where the summary has them.
std::string ledger_csv_lines(const LedgerEntry& entry);

/// With what a reader must know first: pages, and whether `asked` is a budget or memory that was solved for.
std::string ledger_table_header(std::uint32_t page, bool match_memory);
/// The configuration in one line of at most 100 columns, after a line with its name; more say which strategies' memory
/// differs from it, what a selection reads, what an offloading strategy moves and what moved budget left unused.
std::string ledger_table_lines(const LedgerEntry& entry);
std::string ledger_table_legend();

}  // namespace kvwave::replay
