// The layer budgets that a profile implies: reasonalloc-layer with its default parameters.
#pragma once

#include <cstdint>

#include "replay/profile.h"

namespace kvwave::replay {

struct ImpliedBudgets {
  std::vector<double> per_head = {};  ///< [L] entries per KV head, window included
  std::int64_t nominal = 0;           ///< entries of the model at the average budget
  std::int64_t realised = 0;          ///< entries of the model as allotted
  std::uint32_t bounds_hit = 0;       ///< layers that a floor or cap changed
};

/// `budget`: average entries per KV head; `window`: of the policy, in entries. Throws alloc::BadBudget.
ImpliedBudgets implied_budgets(const Profile& profile, std::uint32_t n_kv_heads, std::uint32_t budget,
                               std::uint32_t window);

}  // namespace kvwave::replay
