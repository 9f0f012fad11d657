#include "viewer/model/eviction_map.h"

#include <algorithm>

namespace kvwave::viewer {

HeadRange heads_of(const ViewState& view, const traces::ModelShape& shape) {
  const std::uint32_t layer = view.selection.layer * shape.n_kv_heads;
  if (view.scope == TokenScope::all_heads) return {0, shape.n_layers * shape.n_kv_heads};
  if (view.scope == TokenScope::layer) return {layer, layer + shape.n_kv_heads};
  const std::uint32_t head = layer + view.selection.q_head / shape.group();
  return {head, head + 1};
}

std::uint32_t EvictionMap::holders(HeadRange heads, std::uint32_t position, std::uint32_t step) const {
  if (evicted_at->empty()) return heads.size();
  std::uint32_t n = 0;
  for (std::uint32_t head = heads.begin; head < heads.end; ++head) n += holds(head, position, step) ? 1 : 0;
  return n;
}

std::vector<std::uint32_t> EvictionMap::holders(HeadRange heads, std::uint32_t begin, std::uint32_t end,
                                                std::uint32_t step) const {
  if (evicted_at->empty()) return std::vector<std::uint32_t>(end - begin, heads.size());
  std::vector<std::uint32_t> n(end - begin, 0U);
  const std::uint32_t known = std::clamp(n_positions, begin, end);
  for (std::uint32_t head = heads.begin; head < heads.end; ++head) {
    const std::int32_t* when_of = evicted_at->data() + std::size_t{head} * n_positions;
    for (std::uint32_t p = begin; p < known; ++p) n[p - begin] += static_cast<std::int64_t>(when_of[p]) > step ? 1 : 0;
  }
  std::fill(n.begin() + (known - begin), n.end(), heads.size());  // beyond what was replayed: held, as when() says
  return n;
}

EvictionMap eviction_map(const OpenedResults& results, std::uint32_t c) {
  const replay::ResultsTrace& trace = results.cache->reader().traces()[results.trace];
  return {results.cache->evicted_at(results.trace, c), trace.n_prompt + trace.n_steps, trace.n_prompt};
}

NeedIndex need_index(const FigureInputs& in, const EvictionMap& map) {
  const TraceSnapshot& trace = in.snapshot();
  if (!trace.info.levels.attention) {
    throw NotThere("whether a dropped token was needed later is read from level attention, which " + trace.name() +
                   " does not hold");
  }
  const traces::ModelShape& shape = trace.info.shape;
  const std::size_t cells = std::size_t{shape.n_layers} * shape.n_kv_heads * map.n_positions;
  NeedIndex index{std::vector<std::int32_t>(cells, -1), std::vector<float>(cells, 0.0F), map.n_positions};
  if (map.evicted_at->empty()) return index;
  const traces::TraceReader& reader = in.reader();
  traces::AttentionRows rows;
  for (std::uint32_t step = 0; step < trace.n_steps(); ++step) {
    if (in.cancel.asked()) throw Cancelled();
    reader.attention(trace.info.n_prompt + step, rows);
    for (std::uint32_t l = 0; l < shape.n_layers; ++l) {
      for (std::uint32_t h = 0; h < shape.n_q_heads; ++h) {
        const traces::AttentionRow row = rows.row(l, h);
        const std::uint32_t head = l * shape.n_kv_heads + h / shape.group();
        for (std::size_t i = 0; i < row.position.size(); ++i) {
          if (row.prob[i] <= kNeededProb || row.position[i] >= map.n_positions) continue;
          if (map.holds(head, row.position[i], step)) continue;
          const std::size_t cell = std::size_t{head} * map.n_positions + row.position[i];
          if (index.first_step[cell] < 0) index.first_step[cell] = static_cast<std::int32_t>(step);
          index.peak[cell] = std::max(index.peak[cell], row.prob[i]);
        }
      }
    }
  }
  return index;
}

}  // namespace kvwave::viewer
