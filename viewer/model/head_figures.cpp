// Which head has, holds, needs or keeps how much: one layer over time, all layers at the cursor, all heads over time.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "viewer/model/figures.h"
#include "viewer/model/head_grid.h"

namespace kvwave::viewer {
namespace {

std::string whose(const FigureInputs& in) {
  if (in.view.value == HeadValue::demand) return in.snapshot().name();
  const auto name = [&](std::uint32_t c) { return configuration_name(in.results->configuration(c)); };
  const Selection& selection = in.view.selection;
  if (in.view.compared == Compared::difference) {
    return fmt::format("A: {} minus B: {}", name(selection.a), name(selection.b));
  }
  return in.view.compared == Compared::a ? "A: " + name(selection.a) : "B: " + name(selection.b);
}

// Colours span the whole run's range, so that a cursor move never changes what a colour means.
void set_colours(const HeadGrid& grid, Heatmap& map) {
  const Extremes range = grid.values->extremes();
  map.scale = grid.scale;
  map.pool = grid.pool;
  if (std::isnan(range.low)) {
    map.scale = Scale::linear;
    return;
  }
  if (grid.scale == Scale::diverging) {
    map.high = std::max({std::abs(range.low), std::abs(range.high), 1e-6F});
    map.low = -map.high;
  } else if (grid.scale == Scale::decades) {
    map.low = std::max(1.0F, range.low);
    map.high = std::max(map.low * 1.01F, range.high);
  } else {
    map.low = grid.pool == Pool::minimum ? range.low : std::min(range.low, 0.0F);
    map.high = std::max(range.high, map.low + 1e-6F);
  }
}

Figure time_figure(const FigureInputs& in, const HeadGrid& grid, std::shared_ptr<const Pyramid> values) {
  Figure figure;
  figure.subtitle = whose(in);
  figure.x = {.name = "step", .label = "decode step", .low = -0.5};
  figure.x.high = in.snapshot().n_steps() - 0.5;  // the last column may stand for fewer steps
  figure.y = {.low = -0.5, .high = values->rows() - 0.5};
  Heatmap map{.name = grid.name,
              .label = grid.label,
              .values = std::move(values),
              .dx = static_cast<double>(grid.column_steps)};
  set_colours(grid, map);
  figure.heatmap = std::move(map);
  if (grid.column_steps > 1) {
    figure.notes.push_back(fmt::format("one column = {} steps{}", grid.column_steps,
                                       in.view.value == HeadValue::demand ? ", their largest" : ", their mean"));
  }
  return figure;
}

}  // namespace

Figure heads_time_figure(const FigureInputs& in) {
  const auto shared = head_grid(in);
  const HeadGrid& grid = *shared;
  const std::uint32_t layer = in.view.selection.layer, columns = grid.values->columns();
  const auto first =
      grid.values->values().begin() + static_cast<std::ptrdiff_t>(std::size_t{layer} * grid.heads * columns);
  std::vector<float> rows(first, first + static_cast<std::ptrdiff_t>(std::size_t{grid.heads} * columns));
  Figure figure = time_figure(in, grid, std::make_shared<Pyramid>(grid.heads, columns, std::move(rows)));
  figure.name = "heads-time";
  figure.title = fmt::format("{} of layer {} over time", grid.what, layer);
  figure.y.name = figure.y.label = grid.head_name;
  set_whole_ticks(figure.y, grid.heads);
  return figure;
}

Figure heads_layers_figure(const FigureInputs& in) {
  const auto shared = head_grid(in);
  const HeadGrid& grid = *shared;
  const std::uint32_t layers = in.shape().n_layers;
  const std::uint32_t column = std::min(in.view.step / grid.column_steps, grid.values->columns() - 1);
  std::vector<float> cells(std::size_t{layers} * grid.heads);
  for (std::uint32_t i = 0; i < cells.size(); ++i) cells[i] = grid.values->at(i, column);
  Figure figure;
  figure.name = "heads-layers";
  figure.title = grid.column_steps > 1
                     ? fmt::format("{}, decode steps {} to {}", grid.what, column * grid.column_steps,
                                   std::min((column + 1) * grid.column_steps, in.snapshot().n_steps()) - 1)
                     : fmt::format("{} at decode step {}", grid.what, in.view.step);
  figure.subtitle = whose(in);
  figure.x = {.name = grid.head_name, .label = grid.head_name, .low = -0.5, .high = grid.heads - 0.5};
  figure.y = {.name = "layer", .label = "layer", .low = -0.5, .high = layers - 0.5};
  set_whole_ticks(figure.x, grid.heads, 32);
  set_whole_ticks(figure.y, layers);
  Heatmap map{.name = grid.name,
              .label = grid.label,
              .values = std::make_shared<Pyramid>(layers, grid.heads, std::move(cells))};
  set_colours(grid, map);
  figure.heatmap = std::move(map);
  return figure;
}

Figure heads_all_figure(const FigureInputs& in) {
  const auto shared = head_grid(in);
  const HeadGrid& grid = *shared;
  Figure figure = time_figure(in, grid, grid.values);
  figure.name = "heads-all";
  figure.title = fmt::format("{} of all {}s over time", grid.what, grid.head_name);
  figure.heatmap->group = grid.heads;
  figure.heatmap->group_member = grid.head_name;
  figure.y.name = "row";
  figure.y.label = fmt::format("layer ({} {}s each)", grid.heads, grid.head_name);
  const std::uint32_t layers = in.shape().n_layers, every = std::max(1U, (layers + 9) / 10);
  for (std::uint32_t l = 0; l < layers; l += every) {
    figure.y.ticks.emplace_back(l * grid.heads + (grid.heads - 1) / 2.0, std::to_string(l));
  }
  return figure;
}

}  // namespace kvwave::viewer
