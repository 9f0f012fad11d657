// Private to evaluation: one layer's residencies seen KV head by KV head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "replay/simulate.h"
#include "replay/sweep.h"
#include "replay/tile_evaluator.h"
#include "replay/turnover.h"

namespace kvwave::replay {

/// Resident counts and turnover of a layer's simulations, and per KV head what every column holds. Points into
/// `residency`.
struct ColumnViews {
  std::vector<std::vector<std::uint32_t>> counts;  ///< [n_simulations] -> [Hkv, n_steps] as resident_counts()
  std::vector<std::vector<Turnover>> turnover;     ///< [n_simulations] -> [Hkv]; mean over the caches of query heads
  std::vector<HeadResidency> heads;                ///< [Hkv]

  ColumnViews(const Sequence& sequence, const Sweep& sweep, std::span<const LayerResidency> residency,
              kernels::ThreadPool& pool);
};

}  // namespace kvwave::replay
