#include "capture/attention_units.h"

#include <algorithm>

namespace kvwave::capture {

std::vector<AttentionUnit> attention_units(std::uint32_t n_q_heads, std::uint32_t n_kv_heads, unsigned n_workers) {
  const std::uint32_t group = n_q_heads / n_kv_heads;
  std::vector<std::uint32_t> cuts;
  for (std::uint32_t kv_head = 0; kv_head <= n_kv_heads; ++kv_head) cuts.push_back(kv_head * group);
  for (unsigned worker = 1; worker < n_workers; ++worker) {
    cuts.push_back(static_cast<std::uint32_t>(std::uint64_t{n_q_heads} * worker / n_workers));
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<AttentionUnit> units;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) units.push_back({cuts[i] / group, cuts[i], cuts[i + 1] - cuts[i]});
  std::stable_sort(units.begin(), units.end(),
                   [](const AttentionUnit& a, const AttentionUnit& b) { return a.n_q_heads > b.n_q_heads; });
  return units;
}

}  // namespace kvwave::capture
