#include "replay/column_views.h"

#include <algorithm>

#include "kernels/retained_mass.h"

namespace kvwave::replay {

ColumnViews::ColumnViews(const Sequence& sequence, const Sweep& sweep, std::span<const LayerResidency> residency,
                         kernels::ThreadPool& pool)
    : counts(residency.size()), heads(sequence.n_kv_heads) {
  pool.parallel_for(counts.size(),
                    [&](std::size_t i, unsigned) { counts[i] = residency[i].resident_counts(sequence); });
  pool.parallel_for(heads.size(), [&](std::size_t h, unsigned) {
    heads[h].n_simulations = sweep.n_simulations();
    for (std::size_t first = 0; first < residency.size(); first += kernels::kWordConfigs) {
      std::vector<const std::int32_t*> evicted_at;
      for (std::size_t c = first; c < std::min<std::size_t>(residency.size(), first + kernels::kWordConfigs); ++c) {
        evicted_at.push_back(residency[c].evicted_at.data() + h * sequence.n_positions);
      }
      heads[h].timelines.emplace_back(evicted_at, sequence.n_positions, sequence.n_steps());
    }
    for (const std::uint32_t ceiling : sweep.ceilings) {
      const std::uint32_t followed = sweep.configurations[ceiling].simulations.front();
      heads[h].ceiling_counts.push_back(counts[followed].data() + h * sequence.n_steps());
    }
  });
}

}  // namespace kvwave::replay
