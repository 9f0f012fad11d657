// One head's attention: its row at the cursor with what a strategy kept of it, and all its rows.
#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "viewer/model/attention_rows.h"
#include "viewer/model/figures.h"
#include "viewer/model/map_pool.h"

namespace kvwave::viewer {
namespace {

constexpr double kLeastProb = 1e-6;         // lower end of the row's axis
constexpr float kLeastMapped = 1e-4F;       // of the map's colour bar
constexpr std::size_t kLabelled = 4;        // of a row's largest probabilities
constexpr double kLeastLabelled = 0.02;

std::string head_name(const FigureInputs& in) {
  return fmt::format("layer {}, q_head {} (kv_head {})", in.view.selection.layer, in.view.selection.q_head,
                     in.kv_head());
}

/// First steps of invisibility of the selected KV head's positions; empty when the configuration frees nothing.
std::span<const std::int32_t> evictions(const ResultsCache::Ints& all, const FigureInputs& in) {
  if (all->empty()) return {};
  const replay::ResultsReader& reader = in.results->cache->reader();
  const replay::ResultsTrace& trace = reader.traces()[in.results->trace];
  const std::size_t n = std::size_t{trace.n_prompt} + trace.n_steps;
  return std::span(*all).subspan((std::size_t{in.view.selection.layer} * reader.info().n_kv_heads + in.kv_head()) * n,
                                 n);
}

bool visible(std::span<const std::int32_t> evicted_at, std::size_t position, std::uint32_t step) {
  return evicted_at.empty() || position >= evicted_at.size() || static_cast<std::int64_t>(evicted_at[position]) > step;
}

void note_retained(const FigureInputs& in, std::span<const double> row, double residual, Figure& figure) {
  std::string note;
  for (const bool b : {false, true}) {
    const std::uint32_t c = b ? in.view.selection.b : in.view.selection.a;
    const auto evicted = in.results->cache->evicted_at(in.results->trace, c);
    double kept = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (visible(evictions(evicted, in), i, in.view.step)) kept += row[i];
    }
    note += fmt::format("{}{} keeps {:.4f}", note.empty() ? "" : ", ", b ? "B" : "A", kept);
    if (residual > 0) note += fmt::format(" to {:.4f}", std::min(1.0, kept + residual));
  }
  figure.notes.push_back(note + " of this row's mass");
}

// Names the positions that the row looks at most.
void label_largest(const Series& series, std::span<const double> row, std::vector<PointLabel>& labels) {
  std::vector<double> sorted(row.begin(), row.end());
  const std::size_t nth = std::min(kLabelled, sorted.size()) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(nth), sorted.end(), std::greater<>());
  for (std::size_t i = 0; i < series.x.size() && labels.size() < kLabelled; ++i) {
    if (series.y[i] < std::max(kLeastLabelled, sorted[nth])) continue;
    labels.push_back({series.x[i], series.y[i], fmt::format("{:.0f}", series.x[i]), series.role});
  }
}

}  // namespace

Figure attention_row_figure(const FigureInputs& in) {
  if (in.snapshot().n_steps() == 0) throw NotThere(in.snapshot().name() + " holds no decode step yet");
  HeadRows rows(in);
  const std::uint32_t query = in.query_position();
  const std::span<const double> row = rows.row(query);
  Figure figure;
  figure.name = "attention-row";
  figure.title = fmt::format("Attention of {} at decode step {}", head_name(in), in.view.step);
  figure.subtitle = fmt::format("{}, query at position {}", in.snapshot().name(), query);
  figure.x = {.name = "position", .label = "position", .low = -0.5, .high = query + 0.5};
  figure.y = {.name = "attn_prob", .label = "attn_prob", .low = kLeastProb, .high = 1, .logarithmic = true};

  Series kept{.name = "attn_prob", .mark = Mark::stems, .role = Role::reference};
  Series lost{.name = "dropped by A", .mark = Mark::stems, .role = Role::control};
  ResultsCache::Ints all;
  std::span<const std::int32_t> evicted;
  if (in.results) {
    all = in.results->cache->evicted_at(in.results->trace, in.view.selection.a);
    evicted = evictions(all, in);
    kept.name = "kept by A: " + configuration_name(in.results->configuration(in.view.selection.a));
    kept.role = Role::a;
  }
  for (std::size_t i = 0; i < row.size(); ++i) {
    Series& series = visible(evicted, i, in.view.step) ? kept : lost;
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(row[i]);
  }
  const double highest = *std::max_element(row.begin(), row.end());
  figure.y.high = std::min(1.0, std::pow(10.0, std::ceil(std::log10(std::max(highest, kLeastProb * 10)))));
  figure.y.high *= 1.3;  // room for the head of the highest stem
  label_largest(lost, row, figure.labels);
  label_largest(kept, row, figure.labels);
  if (!lost.x.empty()) figure.series.push_back(std::move(lost));
  figure.series.push_back(std::move(kept));
  if (rows.exact()) {
    figure.notes.emplace_back("recomputed from q and k");
  } else {
    figure.notes.push_back(fmt::format("stored row; {:.2g} of its mass is not stored", rows.residual()));
  }
  if (in.results) note_retained(in, row, rows.residual(), figure);
  return figure;
}

Figure attention_map_figure(const FigureInputs& in) {
  HeadRows rows(in);
  const std::uint32_t n = in.snapshot().n_positions, first = rows.first_row();
  if (n <= first) throw NotThere(in.snapshot().name() + " holds no attention row yet");
  const std::uint32_t pool = map_pool(n);
  const std::uint32_t columns = (n + pool - 1) / pool, row_cells = (n - first + pool - 1) / pool;
  std::vector<float> values(std::size_t{row_cells} * columns, std::numeric_limits<float>::quiet_NaN());
  for (std::uint32_t p = first; p < n; ++p) {
    if (in.cancel.asked()) throw Cancelled();
    const std::span<const double> row = rows.row(p);
    float* cells = values.data() + std::size_t{(p - first) / pool} * columns;
    for (std::uint32_t i = 0; i < row.size(); ++i) {
      float& cell = cells[i / pool];
      if (const auto prob = static_cast<float>(row[i]); !(cell >= prob)) cell = prob;
    }
  }
  Figure figure;
  figure.name = "attention-map";
  figure.title = "Attention of " + head_name(in);
  figure.subtitle = in.snapshot().name();
  figure.x = {.name = "position", .label = "position", .low = -0.5, .high = n - 0.5};
  figure.y = {
      .name = "query_position", .label = "query position", .low = first - 0.5, .high = n - 0.5, .inverted = true};
  Heatmap map{.name = "attn_prob",
              .label = "attn_prob",
              .values = std::make_shared<Pyramid>(row_cells, columns, std::move(values)),
              .dx = static_cast<double>(pool),
              .y0 = static_cast<double>(first),
              .dy = static_cast<double>(pool)};
  map.scale = Scale::decades;
  map.low = kLeastMapped;
  map.high = 1;
  map.pooled_rows = map.pooled_columns = pool;
  figure.heatmap = std::move(map);
  figure.notes.emplace_back(rows.exact() ? "recomputed from q and k" : "stored rows; what is not stored counts as 0");
  if (pool > 1) figure.notes.push_back(fmt::format("one cell = the largest of {} x {}", pool, pool));
  return figure;
}

}  // namespace kvwave::viewer
