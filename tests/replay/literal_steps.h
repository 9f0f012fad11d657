// Policies that look at every step, written out from their definitions in fp64: what the engine and the scorers are
// checked against. Nothing here is shared with them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/replay/synthetic_trace.h"

namespace kvwave::replay {

/// One cache and its policy.
struct LiteralPolicy {
  std::vector<std::uint32_t> heads;  ///< query heads that share the cache
  std::uint32_t budget = 16, window = 0;
  enum class Reduce { sum, mean, max } reduce = Reduce::sum;
  std::uint32_t first_row = 0;  ///< position of the first row that is observed
  bool score_order = false;
  bool cuts_prompt = true;
  /// Whether decode step s (0-based) may cut.
  std::function<bool(std::uint32_t step)> due = [](std::uint32_t) { return true; };
  /// A row over the residents, renormalised per head and reduced.
  std::function<void(std::uint32_t position, const std::vector<std::uint32_t>& slots, const std::vector<double>& row)>
      observe;
  /// One score per candidate (the first slots); `position` is that of the step.
  std::function<std::vector<double>(std::uint32_t position, const std::vector<std::uint32_t>& candidates)> score;
};

/// [P] evicted_at of the cache: a cut follows the observation of the step's row when more than the budget is held.
std::vector<std::int32_t> run_literal(const SyntheticTrace& trace, std::uint32_t layer, const LiteralPolicy& policy);

/// softmax of one query head over `slots` alone.
std::vector<double> literal_row(const SyntheticTrace& trace, std::uint32_t layer, std::uint32_t q_head,
                                std::uint32_t position, const std::vector<std::uint32_t>& slots);

}  // namespace kvwave::replay
