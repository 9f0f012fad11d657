#include "replay/head_statistics.h"

#include <algorithm>
#include <cassert>

#include "kernels/round_bf16.h"
#include "replay/window_rows.h"

namespace kvwave::replay {

namespace {

// Which query heads and which KV head a cache reads.
struct CacheHeads {
  std::uint32_t kv_head, first_q_head, n_q_heads;
};

CacheHeads heads_of(const StatisticsRequest& request, const Sequence& sequence) {
  const std::uint32_t group = sequence.group();
  if (request.rule.granularity == alloc::Granularity::q_head) return {request.cache / group, request.cache, 1};
  return {request.cache, request.cache * group, group};
}

// Queries of the newest `count` positions, fewer at the start: [n, heads, d]. Returns n.
std::uint32_t gather_queries(const LayerTensors& tensors, const CacheHeads& heads, std::uint32_t position,
                             std::uint32_t count, std::vector<float>& out) {
  const std::uint32_t n = std::min(count, position + 1);
  const alloc::TensorRows rows = tensors.query_rows(heads.first_q_head, heads.n_q_heads, position + 1);
  out.clear();
  for (std::uint32_t p = position + 1 - n; p <= position; ++p) out.insert(out.end(), rows[p].begin(), rows[p].end());
  return n;
}

void add_importance(const StatisticsRequest& request, const LayerTensors& tensors, const CacheHeads& heads,
                    std::size_t n_candidates, HeadStatistics& out, StatisticsScratch& scratch) {
  kernels::ImportanceShape shape;
  shape.n_queries = gather_queries(tensors, heads, request.position, request.rule.window, scratch.query);
  shape.group = heads.n_q_heads;
  shape.n_candidates = static_cast<std::uint32_t>(n_candidates);
  shape.pool_kernel = request.needs.pool_kernel;
  shape.round_bf16 = request.needs.round_bf16;
  out.importance.resize(n_candidates);
  kernels::rkv_importance(scratch.query, scratch.keys, shape, out.importance, scratch.importance);
}

void add_redundancy(const StatisticsRequest& request, const LayerTensors& tensors, const CacheHeads& heads,
                    std::size_t n_candidates, HeadStatistics& out, StatisticsScratch& scratch) {
  const std::span<const float> unit_keys = tensors.unit_keys(heads.kv_head);
  scratch.unit_keys.gather(unit_keys, tensors.sequence().head_dim, request.slots);
  out.redundancy.resize(n_candidates);
  kernels::rkv_redundancy(unit_keys, request.slots, scratch.unit_keys,
                          static_cast<float>(request.needs.similarity_threshold), out.redundancy, {},
                          scratch.redundancy);
  if (!request.needs.round_bf16) return;
  for (float& red : out.redundancy) red = kernels::round_to_bf16(red);
}

}  // namespace

alloc::WindowRows HeadStatistics::window_rows() const {
  const std::size_t n_rows = std::size_t{n_window_queries} * n_window_heads;
  return {.n_queries = n_window_queries,
          .n_heads = n_window_heads,
          .n_residents = n_rows > 0 ? window_prob.size() / n_rows : 0,
          .prob = window_prob};
}

void head_statistics(const StatisticsRequest& request, const StatisticsSource& source, HeadStatistics& out,
                     StatisticsScratch& scratch) {
  const alloc::Needs& needs = request.needs;
  const std::size_t n_candidates =
      request.slots.size() - std::min<std::size_t>(request.slots.size(), request.rule.window);
  if (needs.rope) out.rope = *source.rope;
  if (source.tensors == nullptr) return;
  const LayerTensors& tensors = *source.tensors;
  const CacheHeads heads = heads_of(request, tensors.sequence());
  const std::uint32_t n_seen = request.position + 1;
  if (needs.keys) out.keys = tensors.key_rows(heads.kv_head, n_seen);
  if (needs.values) out.values = tensors.value_rows(heads.kv_head, n_seen);
  if (needs.queries) out.queries = tensors.query_rows(heads.first_q_head, heads.n_q_heads, n_seen);
  const bool after_prompt = n_seen == tensors.sequence().n_prompt;
  const bool wants_window = needs.window_rows > 0 && (after_prompt || !needs.window_rows_after_prompt_only);
  if (needs.importance || wants_window) {
    scratch.keys.gather(tensors.keys(heads.kv_head), tensors.sequence().head_dim, request.slots);
  }
  if (needs.importance) add_importance(request, tensors, heads, n_candidates, out, scratch);
  if (needs.redundancy) add_redundancy(request, tensors, heads, n_candidates, out, scratch);
  if (wants_window) {
    out.n_window_queries = gather_queries(tensors, heads, request.position, needs.window_rows, scratch.query);
    out.n_window_heads = heads.n_q_heads;
    window_rows({.first_position = n_seen - out.n_window_queries,
                 .n_queries = out.n_window_queries,
                 .n_heads = heads.n_q_heads},
                scratch.query, scratch.keys, request.slots, out.window_prob);
  }
  if (needs.future_mass) {
    const std::span<const float> future = source.future->after(heads.kv_head, request.position);
    out.future_mass.resize(n_candidates);
    for (std::size_t j = 0; j < n_candidates; ++j) out.future_mass[j] = future[request.slots[j]];
  }
}

}  // namespace kvwave::replay
