#include "replay/head_statistics.h"

#include <algorithm>
#include <cassert>

#include "kernels/round_bf16.h"

namespace kvwave::replay {

void head_statistics(const alloc::Needs& needs, std::uint32_t window, std::uint32_t kv_head, std::uint32_t position,
                     std::span<const std::uint32_t> slots, const StatisticsSource& source, HeadStatistics& out,
                     StatisticsScratch& scratch) {
  const std::size_t n_candidates = slots.size() - std::min<std::size_t>(slots.size(), window);
  if (needs.importance) {
    const LayerTensors& tensors = *source.tensors;
    const Sequence& sequence = tensors.sequence();
    kernels::ImportanceShape shape;
    shape.n_queries = std::min(window, position + 1);
    shape.group = sequence.group();
    shape.n_candidates = static_cast<std::uint32_t>(n_candidates);
    shape.pool_kernel = needs.pool_kernel;
    shape.round_bf16 = needs.round_bf16;
    scratch.query.clear();
    for (std::uint32_t p = position + 1 - shape.n_queries; p <= position; ++p) {
      const std::span<const float> queries = tensors.queries(kv_head, p);
      scratch.query.insert(scratch.query.end(), queries.begin(), queries.end());
    }
    scratch.keys.gather(tensors.keys(kv_head), sequence.head_dim, slots);
    out.importance.resize(n_candidates);
    kernels::rkv_importance(scratch.query, scratch.keys, shape, out.importance, scratch.importance);
  }
  if (needs.redundancy) {
    const LayerTensors& tensors = *source.tensors;
    scratch.unit_keys.gather(tensors.unit_keys(kv_head), tensors.sequence().head_dim, slots);
    out.redundancy.resize(n_candidates);
    kernels::rkv_redundancy(tensors.unit_keys(kv_head), slots, scratch.unit_keys,
                            static_cast<float>(needs.similarity_threshold), out.redundancy, {}, scratch.redundancy);
    if (needs.round_bf16) {
      for (float& red : out.redundancy) red = kernels::round_to_bf16(red);
    }
  }
  if (needs.future_mass) {
    const std::span<const float> future = source.future->after(kv_head, position);
    out.future_mass.resize(n_candidates);
    for (std::size_t j = 0; j < n_candidates; ++j) out.future_mass[j] = future[slots[j]];
  }
}

}  // namespace kvwave::replay
