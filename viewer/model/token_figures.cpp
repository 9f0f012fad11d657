// What was kept and what was lost: the text at the cursor, and every position over time.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "viewer/model/eviction_map.h"
#include "viewer/model/figures.h"
#include "viewer/model/map_pool.h"
#include "viewer/model/token_text.h"

namespace kvwave::viewer {
namespace {

std::string scope_name(const FigureInputs& in) {
  if (in.view.scope == TokenScope::all_heads) return "all kv_heads";
  if (in.view.scope == TokenScope::layer) return fmt::format("layer {}", in.view.selection.layer);
  return fmt::format("layer {}, kv_head {}", in.view.selection.layer, in.kv_head());
}

// holders[s] of one position for every step from its first one on, by counting evictions.
void count_holders(const EvictionMap& map, HeadRange heads, std::uint32_t position, std::vector<float>& holders) {
  const auto n_steps = static_cast<std::int64_t>(holders.size());
  std::vector<std::uint32_t> dropped(holders.size() + 1, 0U);
  for (std::uint32_t head = heads.begin; head < heads.end; ++head) {
    const std::int64_t when = map.when(head, position);
    if (when < n_steps) ++dropped[static_cast<std::size_t>(std::max<std::int64_t>(0, when))];
  }
  const std::int64_t born = std::max<std::int64_t>(0, std::int64_t{position} - map.n_prompt);
  std::uint32_t gone = 0;
  for (std::int64_t s = 0; s < n_steps; ++s) {
    gone += dropped[static_cast<std::size_t>(s)];
    holders[static_cast<std::size_t>(s)] =
        s < born ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(heads.size() - gone);
  }
}

}  // namespace

Figure tokens_figure(const FigureInputs& in) {
  const OpenedTrace& trace = in.main();
  if (!trace.snapshot->info.levels.tokens) {
    throw NotThere(trace.snapshot->name() + " was recorded without level tokens; record it with --levels tokens,...");
  }
  const TraceTokens tokens = trace.tokens ? *trace.tokens : read_tokens(in.reader(), trace.snapshot->n_positions);
  const HeadRange heads = heads_of(in.view, in.shape());
  std::optional<EvictionMap> a, b;
  if (in.results) {
    a = eviction_map(*in.results, in.view.selection.a);
    b = eviction_map(*in.results, in.view.selection.b);
  }
  Figure figure;
  figure.name = "tokens";
  figure.title = fmt::format("The text at decode step {}", in.view.step);
  figure.subtitle = in.results ? fmt::format("held by {} of A: {}", scope_name(in),
                                             configuration_name(in.results->configuration(in.view.selection.a)))
                               : trace.snapshot->name();
  Table table{.columns = {"position", "token_id", "text", "logprob", "held_by_a", "held_by_b", "heads"}, .rows = {}};
  const std::uint32_t n = std::min(in.query_position() + 1, static_cast<std::uint32_t>(tokens.id.size()));
  for (std::uint32_t p = 0; p < n; ++p) {
    table.rows.push_back({std::to_string(p), std::to_string(tokens.id[p]), printable(tokens.piece[p]),
                          std::isnan(tokens.logprob[p]) ? "" : fmt::format("{:.4f}", tokens.logprob[p]),
                          a ? std::to_string(a->holders(heads, p, in.view.step)) : "",
                          b ? std::to_string(b->holders(heads, p, in.view.step)) : "", std::to_string(heads.size())});
  }
  figure.table = std::move(table);
  return figure;
}

Figure residency_figure(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const replay::ResultsTrace& trace = results.cache->reader().traces()[results.trace];
  const HeadRange heads = heads_of(in.view, in.shape());
  const bool difference = in.view.compared == Compared::difference;
  const Selection& selection = in.view.selection;
  const std::uint32_t c = in.view.compared == Compared::b ? selection.b : selection.a;
  const EvictionMap map = eviction_map(results, c), other = eviction_map(results, selection.b);
  const std::uint32_t n = map.n_positions, steps = trace.n_steps;
  const std::uint32_t pool = map_pool(n);
  const std::uint32_t rows = (n + pool - 1) / pool, columns = (steps + pool - 1) / pool;
  std::vector<float> values(std::size_t{rows} * columns, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> holders(steps), other_holders(steps);
  for (std::uint32_t p = 0; p < n; ++p) {
    if (in.cancel.asked()) throw Cancelled();
    count_holders(map, heads, p, holders);
    if (difference) count_holders(other, heads, p, other_holders);
    float* cells = values.data() + std::size_t{p / pool} * columns;
    for (std::uint32_t s = 0; s < steps; ++s) {
      const float value = difference ? holders[s] - other_holders[s] : holders[s];
      float& cell = cells[s / pool];
      if (std::isnan(cell) || (difference ? std::abs(value) > std::abs(cell) : value > cell)) cell = value;
    }
  }
  Figure figure;
  figure.name = "residency";
  figure.title = fmt::format("Who holds which position: {}", scope_name(in));
  const auto name = [&](std::uint32_t which) { return configuration_name(results.configuration(which)); };
  figure.subtitle = difference ? fmt::format("A: {} minus B: {}", name(selection.a), name(selection.b))
                               : fmt::format("{}: {}", in.view.compared == Compared::b ? "B" : "A", name(c));
  figure.x = {.name = "step", .label = "decode step", .low = -0.5, .high = steps - 0.5};
  figure.y = {.name = "position", .label = "position", .low = -0.5, .high = n - 0.5};
  Heatmap heat{.name = difference ? "holders_difference" : "holders",
               .label = "kv_heads that hold it",
               .values = std::make_shared<Pyramid>(rows, columns, std::move(values)),
               .dx = static_cast<double>(pool),
               .dy = static_cast<double>(pool)};
  heat.pooled_rows = heat.pooled_columns = pool;
  heat.high = static_cast<float>(heads.size());
  heat.low = difference ? -heat.high : 0;
  if (difference) {
    heat.label += ", A - B";
    heat.scale = Scale::diverging;
    heat.pool = Pool::farthest_from_zero;
  }
  figure.heatmap = std::move(heat);
  if (pool > 1) figure.notes.push_back(fmt::format("one cell = the largest of {} x {}", pool, pool));
  return figure;
}

}  // namespace kvwave::viewer
