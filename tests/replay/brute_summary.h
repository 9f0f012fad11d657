// Every figure of replay/METRICS.md for one column of one trace, written out from that document alone in fp64, one
// number at a time. Nothing here is shared with what it checks; names are those of the CSV.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/replay/synthetic_trace.h"

namespace kvwave::replay {

using NamedValues = std::map<std::string, double>;

struct BruteSummary {
  NamedValues total;
  std::vector<NamedValues> layers, kv_heads;  // [L], [L * Hkv]
  std::vector<double> per_step_mass, per_step_error, per_step_recall;
};

/// What a column holds.
struct BruteColumn {
  std::uint32_t budget = 0, page = 1, value_bytes = 2;
  bool ceiling = false;  ///< nothing is evicted
  /// Flags of positions 0 .. n_prompt + step that the query head sees.
  std::function<std::vector<bool>(std::uint32_t layer, std::uint32_t q_head, std::uint32_t step)> visible;
  /// Entries held for the KV head in that step.
  std::function<std::uint32_t(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t step)> held;
  /// Budget in force during that step.
  std::function<double(std::uint32_t layer, std::uint32_t kv_head, std::uint32_t step)> requested;
};

/// Rows are computed once for all columns.
class BruteForce {
 public:
  explicit BruteForce(const SyntheticTrace& trace);
  BruteSummary summary(const BruteColumn& column) const;
  const std::vector<double>& row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t step) const {
    return rows_[(std::size_t{layer} * trace_.info.shape.n_q_heads + q_head) * n_steps_ + step];
  }

 private:
  const SyntheticTrace& trace_;
  std::uint32_t n_steps_;
  std::vector<std::vector<double>> rows_;  // [layer][q_head][step]
};

}  // namespace kvwave::replay
