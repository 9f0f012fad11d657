// The values behind the head figures, read once for all of them.
#include "viewer/model/head_grid.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "viewer/model/figures.h"

namespace kvwave::viewer {
namespace {

constexpr std::uint64_t kMostGridCells = std::uint64_t{1} << 25;  // of a grid kept in memory (128 MiB)
constexpr std::uint32_t kRowsAtOnce = 128;                    // steps read at a time

// One rho of the whole stats level, in blocks, so that memory is bounded by the grid alone.
HeadGrid read_demand(const FigureInputs& in) {
  const TraceSnapshot& trace = in.snapshot();
  const std::uint32_t heads = trace.info.shape.n_layers * trace.info.shape.n_q_heads, steps = trace.n_steps();
  std::uint32_t pool = 1;
  while (std::uint64_t{heads} * ((steps + pool - 1) / pool) > kMostGridCells) pool *= 2;
  const std::uint32_t columns = (steps + pool - 1) / pool;
  std::vector<float> values(std::size_t{heads} * columns, 0.0F);
  std::vector<std::uint32_t> block;
  const traces::TraceReader& reader = in.reader();
  for (std::uint32_t s = 0; s < steps; s += kRowsAtOnce) {
    if (in.cancel.asked()) throw Cancelled();
    const std::uint32_t n = std::min(kRowsAtOnce, steps - s);
    block.resize(std::size_t{n} * heads * trace.n_rho());
    reader.demand(trace.info.n_prompt + s, trace.info.n_prompt + s + n, block);
    for (std::uint32_t h = 0; h < heads; ++h) {
      const std::uint32_t* first = block.data() + std::size_t{h} * trace.n_rho() + in.view.rho;
      for (std::uint32_t i = 0; i < n; ++i) {
        float& cell = values[std::size_t{h} * columns + (s + i) / pool];
        cell = std::max(cell, static_cast<float>(first[std::size_t{i} * heads * trace.n_rho()]));
      }
    }
  }
  HeadGrid grid;
  grid.values = std::make_shared<Pyramid>(heads, columns, std::move(values));
  grid.column_steps = pool;
  return grid;
}

HeadGrid demand_grid(const FigureInputs& in) {
  if (!in.snapshot().info.levels.stats) {
    throw NotThere(in.snapshot().name() + " was recorded without level stats; record it with --levels stats,...");
  }
  if (in.snapshot().n_steps() == 0) throw NotThere(in.snapshot().name() + " holds no decode step yet");
  HeadGrid grid = read_demand(in);
  grid.heads = in.shape().n_q_heads;
  grid.head_name = "q_head";
  grid.name = "demand";
  grid.label = fmt::format("N({:g}), entries", in.snapshot().info.rho[in.view.rho]);
  grid.what = "Demand";
  grid.scale = Scale::decades;
  return grid;
}

// (L * Hkv, columns) of one configuration.
std::vector<float> configuration_values(const FigureInputs& in, std::uint32_t c, std::uint32_t columns) {
  const OpenedResults& results = *in.results;
  const replay::ResultsReader& reader = results.cache->reader();
  const std::uint32_t layers = reader.info().n_layers, kv = reader.info().n_kv_heads, q = reader.info().n_q_heads;
  const std::size_t heads = std::size_t{layers} * kv;
  std::vector<float> values(heads * columns, std::numeric_limits<float>::quiet_NaN());
  if (in.view.value == HeadValue::budget) {
    const auto history = results.cache->budgets(results.trace, c);
    for (std::size_t f = 0; f < history->step.size(); ++f) {
      const auto from = static_cast<std::uint32_t>(std::max(0, history->step[f] + 1));
      const std::uint32_t until = f + 1 < history->step.size()
                                      ? std::min(columns, static_cast<std::uint32_t>(history->step[f + 1] + 1))
                                      : columns;
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::uint32_t s = from; s < until; ++s) {
          values[h * columns + s] = static_cast<float>(history->budget[f * heads + h]);
        }
      }
    }
  } else if (in.view.value == HeadValue::resident) {
    const auto resident = results.cache->resident(results.trace, c);
    for (std::uint32_t b = 0; b < columns; ++b) {
      for (std::size_t h = 0; h < heads; ++h) values[h * columns + b] = (*resident)[b * heads + h];
    }
  } else {
    const auto binned = results.cache->binned(results.trace, "retained_mass");
    const std::uint32_t group = q / kv;
    for (std::uint32_t b = 0; b < columns; ++b) {
      const float* row = binned->data() + (std::size_t{c} * columns + b) * layers * q;
      for (std::size_t h = 0; h < heads; ++h) {
        float sum = 0;
        for (std::uint32_t g = 0; g < group; ++g) sum += row[h * group + g];
        values[h * columns + b] = sum / static_cast<float>(group);
      }
    }
  }
  return values;
}

HeadGrid results_grid(const FigureInputs& in) {
  const OpenedResults& results = require_results(in);
  const replay::ResultsTrace& trace = results.cache->reader().traces()[results.trace];
  const bool by_step = in.view.value == HeadValue::budget;
  const std::uint32_t columns = by_step ? trace.n_steps : trace.n_bins;
  HeadGrid grid;
  grid.heads = in.shape().n_kv_heads;
  grid.column_steps = by_step ? 1 : trace.bin_steps;
  grid.head_name = "kv_head";
  if (in.view.value == HeadValue::budget) {
    grid.name = "budget", grid.label = "entries in force", grid.what = "Budget";
  } else if (in.view.value == HeadValue::resident) {
    grid.name = "resident", grid.label = "entries read", grid.what = "Realised residency";
  } else {
    grid.name = "retained_mass", grid.label = "share of attn_prob", grid.what = "Retained mass";
    grid.pool = Pool::minimum;  // the worst of what a pixel covers
  }
  const Selection& selection = in.view.selection;
  const bool difference = in.view.compared == Compared::difference;
  std::vector<float> values =
      configuration_values(in, in.view.compared == Compared::b ? selection.b : selection.a, columns);
  if (difference) {
    const std::vector<float> other = configuration_values(in, selection.b, columns);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= other[i];
    grid.scale = Scale::diverging;
    grid.pool = Pool::farthest_from_zero;
    grid.name += "_difference";
    grid.label += ", A - B";
  }
  grid.values = std::make_shared<Pyramid>(in.shape().n_layers * grid.heads, columns, std::move(values));
  return grid;
}

}  // namespace

std::shared_ptr<const HeadGrid> head_grid(const FigureInputs& in) {
  const ViewState& view = in.view;
  const bool demand = view.value == HeadValue::demand;
  const std::string key = demand ? fmt::format("{} {} {}", in.main().source->id(), view.rho, in.snapshot().n_steps())
                                 : fmt::format("{} {} {} {} {} {}", require_results(in).cache->id(), in.results->trace,
                                               static_cast<int>(view.value), static_cast<int>(view.compared),
                                               view.selection.a, view.selection.b);
  LaneCache& cache = *in.cache;
  if (!cache.head_grid || cache.head_grid_key != key) {
    cache.head_grid = std::make_shared<const HeadGrid>(demand ? demand_grid(in) : results_grid(in));
    cache.head_grid_key = key;
  }
  return cache.head_grid;
}

}  // namespace kvwave::viewer
