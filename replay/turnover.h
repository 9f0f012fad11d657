// How restless a cache is: what its evictions throw away, and how much two successive ones agree on.
#pragma once

#include <cstdint>
#include <span>

#include "replay/sequence.h"

namespace kvwave::replay {

struct Turnover {
  float churn = 0;    ///< evicted / held before, mean over the steps that evict something; NaN without one
  float jaccard = 0;  ///< |A and B| / |A or B| of the entries left by two successive evictions, mean; NaN below two
};

/// evicted_at: [P] of one KV head. Drops with the prompt count as the first eviction.
Turnover head_turnover(std::span<const std::int32_t> evicted_at, const Sequence& sequence);

}  // namespace kvwave::replay
