// Policies that say anew in each step what attention reads: page selection (Quest) and page caches with a reservoir.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alloc/residents.h"

namespace kvwave::alloc {

/// One decode step of one cache. Pages are runs of `page` positions from 0 on; the last one may be partial.
struct SelectorStep {
  std::uint32_t now = 0;       ///< position of the query; positions 0 .. now exist
  std::span<const float> row;  ///< [now + 1] full attention row reduced over the cache's query heads (needs().rows)
  TensorRows keys, queries;    ///< as in Residents
};

/// What a step came to.
struct PageChoice {
  /// [pages] in: what the step before left, all false in the first step. Out: what attention reads in this step.
  std::vector<bool> visible;
  /// Entries that moved between the cache and the reservoir because of this step, either way.
  std::uint32_t moved = 0;
};

class StepSelector {
 public:
  virtual ~StepSelector() = default;
  /// Positions of a page; 1 or more, the same for all selectors of a scorer.
  virtual std::uint32_t page() const = 0;
  /// Before the first step, of scorers with needs().prompt_rows: the full row of each of that many newest prompt
  /// positions, oldest first, reduced as SelectorStep::row.
  virtual void observe_prompt(std::uint32_t /*position*/, std::span<const float> /*row*/) {}
  /// Steps come in the order of time, from the first decode step on. A page of a destructive scorer that was visible
  /// and is not any more never becomes visible again.
  virtual void select(const SelectorStep& step, PageChoice& choice) = 0;
};

}  // namespace kvwave::alloc
