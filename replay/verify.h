// Recomputes what a trace claims: rows from q and k in fp64, stored attention and statistics from those rows, what must
// hold between levels and inside each. Works with any subset of levels and says what could not be checked.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "replay/tally.h"
#include "traces/reader.h"

namespace kvwave::replay {

struct VerifyOptions {
  /// Rows to check, evenly spaced with the first and the last; 0 = all, or as many as about 4e10 multiplications allow.
  std::uint32_t max_rows = 0;
  unsigned n_threads = 0;  ///< 0 = as many as the process may run on; results do not depend on it
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  ///< called between batches of rows
};

/// One kind of comparison over the whole trace.
struct Check {
  std::string name;
  std::uint64_t compared = 0, outside = 0;
  double difference = 0, allowed = 0;  ///< of the worst comparison (the largest difference / allowed)
  std::optional<Place> place;          ///< of the worst, for comparisons of rows
  std::string note;                    ///< what is wrong, where numbers do not tell it
};

struct VerifyReport {
  std::uint32_t n_rows = 0;          ///< rows recomputed or compared
  std::uint32_t n_rows_present = 0;  ///< rows that have statistics or attention
  std::vector<Check> checks;
  std::vector<std::string> skipped;  ///< one line per check that a missing level or row prevents
  bool complete = false;             ///< the writer finished the file; an unfinished one is checked as far as it goes

  bool passed() const;
};

/// Data that the reader refuses (not finite, out of order) become a failed check; throws only what is not about the
/// trace's content.
VerifyReport verify(const traces::TraceReader& trace, const VerifyOptions& options = {});

/// The rows that verify() would look at: positions, ascending.
std::vector<std::uint32_t> rows_to_verify(const traces::TraceReader& trace, std::uint32_t max_rows);

}  // namespace kvwave::replay
