#include "replay/column_views.h"

namespace kvwave::replay {

ColumnViews::ColumnViews(const Sequence& sequence, const Sweep& sweep, std::span<const LayerResidency> residency)
    : heads(sequence.n_kv_heads) {
  for (const LayerResidency& found : residency) counts.push_back(found.resident_counts(sequence));
  for (std::size_t h = 0; h < heads.size(); ++h) {
    for (const LayerResidency& found : residency) {
      heads[h].evicted_at.push_back(found.evicted_at.data() + h * sequence.n_positions);
    }
    for (const std::uint32_t ceiling : sweep.ceilings) {
      const std::uint32_t followed = sweep.configurations[ceiling].simulations.front();
      heads[h].ceiling_counts.push_back(counts[followed].data() + h * sequence.n_steps());
    }
  }
}

}  // namespace kvwave::replay
