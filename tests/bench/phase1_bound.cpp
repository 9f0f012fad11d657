#include "tests/bench/phase1_bound.h"

#include <algorithm>

#include "replay/simulate.h"

namespace kvwave::bench {

Phase1Bound phase1_bound(const replay::Sequence& sequence, const alloc::RefreshRule& rule, std::uint32_t budget,
                         const MachineRates& rates) {
  Phase1Bound bound;
  const double caches = double{1} * sequence.n_layers * sequence.n_kv_heads, d = sequence.head_dim;
  const double half_peak = rates.flops / 2, queries = double{1} * rule.window * sequence.group();
  std::uint32_t held = 0, seen = 0;
  for (const std::uint32_t position : refresh_positions(rule, sequence)) {
    held += position + 1 - seen;
    seen = position + 1;
    if (held < budget) continue;
    const double n = held;
    ++bound.refreshes;
    bound.read_seconds += caches * n * d * sizeof(float) / rates.read_bytes_per_second;
    bound.score_seconds += caches * 2 * n * queries * d / half_peak;
    bound.product_seconds += caches * 2 * n * n * d / half_peak;
    held = std::min(held, budget);
  }
  return bound;
}

}  // namespace kvwave::bench
