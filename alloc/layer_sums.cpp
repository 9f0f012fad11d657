#include "alloc/layer_sums.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace kvwave::alloc {

std::int64_t most_candidates(const LayerState& layer, std::uint32_t window) {
  std::int64_t most = 0;
  for (const std::uint32_t held : layer.residents) most = std::max(most, std::int64_t{held} - window);
  return most;
}

ReplanReport grant_per_head(const LayerReplanInput& input, std::span<const std::int64_t> candidates,
                            std::span<std::int32_t> layer_budget) {
  const auto n = static_cast<std::int64_t>(candidates.size());
  std::vector<std::int32_t> granted(candidates.begin(), candidates.end());
  ReplanReport report;
  const std::int64_t sum = std::accumulate(candidates.begin(), candidates.end(), std::int64_t{0});
  if (sum >= n) {
    report.floors_hit = raise_to_floor(granted, 1);
  } else {
    report.floors_hit = static_cast<std::uint32_t>(std::count(granted.begin(), granted.end(), 0));
    std::fill(granted.begin(), granted.end(), 1);
  }
  std::int64_t realised = 0;
  for (std::size_t l = 0; l < layer_budget.size(); ++l) {
    layer_budget[l] =
        (granted[l] + static_cast<std::int32_t>(input.window)) * static_cast<std::int32_t>(input.n_kv_heads);
    realised += layer_budget[l];
  }
  const std::int64_t total = std::int64_t{input.budget} * n * input.n_kv_heads;
  report.unused = unused_entries(input, layer_budget) + std::max<std::int64_t>(0, total - realised);
  return report;
}

}  // namespace kvwave::alloc
