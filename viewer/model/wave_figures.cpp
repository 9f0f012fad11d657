// Where the model needs memory: mean demand N(rho) by layer (the Reasoning Wave) and over time.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "replay/implied_budgets.h"
#include "viewer/model/figures.h"

namespace kvwave::viewer {
namespace {

struct Steps {
  std::uint32_t begin = 0, end = 0;
};

Steps shown_steps(const ViewState& view, const TraceSnapshot& trace) {
  const std::uint32_t n = trace.n_steps();
  if (!view.window_only) return {0, n};
  const std::uint32_t end = std::min(view.step + 1, n);
  return {end > view.window ? end - view.window : 0, end};
}

constexpr std::size_t kMostWavesKept = 16;
constexpr std::uint32_t kMostLayerTicks = 12;
constexpr std::uint32_t kShownBudget = 128, kShownWindow = 8;  // of the budgets that a profile alone implies

WaveCurve wave_of(const TraceSnapshot& trace, std::size_t rho, Steps steps) {
  WaveCurve wave;
  std::vector<float> values(steps.end - steps.begin);
  for (std::uint32_t layer = 0; layer < trace.info.shape.n_layers; ++layer) {
    double sum = 0;
    for (std::uint32_t s = steps.begin; s < steps.end; ++s) {
      values[s - steps.begin] = trace.demand(s, layer, rho);
      sum += values[s - steps.begin];
    }
    const auto quantile = [&](double share) {
      const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
      std::nth_element(values.begin(), at, values.end());
      return static_cast<double>(*at);
    };
    wave.mean.push_back(sum / static_cast<double>(values.size()));
    wave.low.push_back(quantile(0.1));
    wave.high.push_back(quantile(0.9));
  }
  return wave;
}

const WaveCurve& kept_wave(LaneCache& cache, const OpenedTrace& trace, std::size_t rho, Steps steps) {
  std::string key =
      fmt::format("{} {} {} {} {}", trace.source->id(), trace.snapshot->n_positions, rho, steps.begin, steps.end);
  const auto found = cache.waves.find(key);
  if (found != cache.waves.end()) return found->second;
  if (cache.waves.size() >= kMostWavesKept) cache.waves.clear();
  return cache.waves.emplace(std::move(key), wave_of(*trace.snapshot, rho, steps)).first->second;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Budgets in force at the cursor, mean over a layer's KV heads.
std::vector<double> layer_budgets(const FigureInputs& in, std::uint32_t configuration) {
  const auto history = in.results->cache->budgets(in.results->trace, configuration);
  const replay::ResultsInfo& info = in.results->cache->reader().info();
  const auto after =
      std::upper_bound(history->step.begin(), history->step.end(), static_cast<std::int32_t>(in.view.step));
  if (after == history->step.begin()) return {};
  const std::size_t first =
      static_cast<std::size_t>(after - history->step.begin() - 1) * info.n_layers * info.n_kv_heads;
  std::vector<double> budgets(info.n_layers, 0.0);
  for (std::size_t i = 0; i < std::size_t{info.n_layers} * info.n_kv_heads; ++i) {
    budgets[i / info.n_kv_heads] += static_cast<double>(history->budget[first + i]) / info.n_kv_heads;
  }
  return budgets;
}

void require_demand(const TraceSnapshot& trace) {
  if (!trace.info.levels.stats) {
    throw NotThere(trace.name() + " was recorded without level stats; record it with --levels stats,...");
  }
  if (trace.n_steps() == 0) throw NotThere(trace.name() + " holds no decode step yet");
}

// Layers of models with different depth compare over relative depth.
std::vector<double> layer_axis(std::uint32_t n_layers, bool relative) {
  std::vector<double> x(n_layers);
  for (std::uint32_t l = 0; l < n_layers; ++l) x[l] = relative ? (n_layers > 1 ? l / (n_layers - 1.0) : 0.0) : l;
  return x;
}

// Without results there are no budgets in force, but the profile implies some.
void add_implied_budgets(const FigureInputs& in, bool relative, Figure& figure) {
  if (!in.profile || in.results || in.view.normalised || in.profile->demand.size() != in.shape().n_layers) return;
  Series series{.name = fmt::format("layer budgets it implies, {} entries per KV head", kShownBudget),
                .mark = Mark::steps,
                .role = Role::a};
  series.x = layer_axis(in.shape().n_layers, relative);
  series.y = replay::implied_budgets(*in.profile, in.shape().n_kv_heads, kShownBudget, kShownWindow).per_head;
  figure.series.push_back(std::move(series));
}

void add_budgets(const FigureInputs& in, bool relative, Figure& figure) {
  if (!in.results || in.view.normalised) return;
  for (const Role role : {Role::a, Role::b}) {
    const std::uint32_t c = role == Role::a ? in.view.selection.a : in.view.selection.b;
    if (role == Role::b && c == in.view.selection.a) continue;
    const std::vector<double> budgets = layer_budgets(in, c);
    if (budgets.empty()) continue;
    Series series{.name = fmt::format("budget of {}: {}", role == Role::a ? "A" : "B",
                                      configuration_name(in.results->configuration(c))),
                  .mark = Mark::steps,
                  .role = role};
    series.x = layer_axis(static_cast<std::uint32_t>(budgets.size()), relative);
    series.y = budgets;
    figure.series.push_back(std::move(series));
  }
}

}  // namespace

Figure wave_figure(const FigureInputs& in) {
  require_demand(in.snapshot());
  const double rho = in.snapshot().info.rho[in.view.rho];
  bool relative = false;
  for (const OpenedTrace& trace : in.traces) {
    relative = relative || trace.snapshot->info.shape.n_layers != in.shape().n_layers;
  }
  const Steps steps = shown_steps(in.view, in.snapshot());
  Figure figure;
  figure.name = "wave";
  figure.title = fmt::format("Reasoning Wave: mean demand N({:g}) by layer", rho);
  figure.subtitle = fmt::format("{}, decode steps {} to {}", in.snapshot().name(), steps.begin, steps.end - 1);
  figure.x = {.name = relative ? "depth" : "layer", .label = relative ? "relative depth" : "layer"};
  figure.x.low = relative ? -0.02 : -0.5;
  figure.x.high = relative ? 1.02 : in.shape().n_layers - 0.5;
  if (!relative) set_whole_ticks(figure.x, in.shape().n_layers, kMostLayerTicks);
  figure.y = {.name = "demand", .label = in.view.normalised ? "demand / mean over layers" : "entries per head"};

  double highest = 0;
  for (std::size_t t = 0; t < in.traces.size(); ++t) {
    const TraceSnapshot& trace = *in.traces[t].snapshot;
    if (!trace.info.levels.stats || trace.n_steps() == 0) continue;
    const auto grid = std::find(trace.info.rho.begin(), trace.info.rho.end(), rho);
    if (grid == trace.info.rho.end()) {
      figure.notes.push_back(fmt::format("{} has no rho {:g}", trace.name(), rho));
      continue;
    }
    const Steps own = t == 0 ? steps : Steps{0, trace.n_steps()};
    WaveCurve wave = kept_wave(*in.cache, in.traces[t], static_cast<std::size_t>(grid - trace.info.rho.begin()), own);
    const double unit = in.view.normalised ? std::max(1e-9, mean_of(wave.mean)) : 1.0;
    for (auto* values : {&wave.mean, &wave.low, &wave.high}) {
      for (double& value : *values) value /= unit;
    }
    const std::vector<double> x = layer_axis(trace.info.shape.n_layers, relative);
    if (t == 0) {
      figure.series.push_back({.name = "10 % to 90 % of steps",
                               .mark = Mark::band,
                               .role = Role::reference,
                               .x = x,
                               .y = wave.mean,
                               .low = wave.low,
                               .high = wave.high});
      for (const double value : wave.high) highest = std::max(highest, value);
    }
    for (const double value : wave.mean) highest = std::max(highest, value);
    figure.series.push_back({.name = t == 0 ? "mean over steps and q_heads" : trace.name(),
                             .mark = Mark::line,
                             .role = t == 0 ? Role::reference : Role::other,
                             .colour = t > 0 ? t - 1 : 0,
                             .x = x,
                             .y = wave.mean});
  }
  if (in.profile) {
    const double unit = in.view.normalised ? std::max(1e-9, mean_of(in.profile->demand)) : 1.0;
    Series series{.name = fmt::format("profile, N({:g}), {} trace{}", in.profile->rho, in.profile->traces.size(),
                                      in.profile->traces.size() == 1 ? "" : "s"),
                  .mark = Mark::line,
                  .role = Role::control,
                  .dashed = true};
    series.x = layer_axis(static_cast<std::uint32_t>(in.profile->demand.size()), relative);
    for (const double value : in.profile->demand) series.y.push_back(value / unit);
    for (const double value : series.y) highest = std::max(highest, value);
    figure.series.push_back(std::move(series));
    if (in.profile->model_sha256 != in.snapshot().info.model_sha256) {
      figure.notes.emplace_back("the profile is of another model");
    }
  }
  add_implied_budgets(in, relative, figure);
  add_budgets(in, relative, figure);
  for (const Series& series : figure.series) {
    for (const double value : series.y) highest = std::max(highest, value);
  }
  figure.y.high = highest > 0 ? highest * 1.05 : 1;
  return figure;
}

Figure wave_time_figure(const FigureInputs& in) {
  const TraceSnapshot& trace = in.snapshot();
  require_demand(trace);
  const std::uint32_t layers = trace.info.shape.n_layers, steps = trace.n_steps();
  std::vector<float> values(std::size_t{layers} * steps);
  for (std::uint32_t s = 0; s < steps; ++s) {
    for (std::uint32_t l = 0; l < layers; ++l) values[std::size_t{l} * steps + s] = trace.demand(s, l, in.view.rho);
  }
  Figure figure;
  figure.name = "wave-time";
  figure.title = fmt::format("The wave over time: mean demand N({:g})", trace.info.rho[in.view.rho]);
  figure.subtitle = trace.name();
  figure.x = {.name = "step", .label = "decode step", .low = -0.5, .high = steps - 0.5};
  figure.y = {.name = "layer", .label = "layer", .low = -0.5, .high = layers - 0.5};
  set_whole_ticks(figure.y, layers, kMostLayerTicks);
  Heatmap map{.name = "demand",
              .label = "entries per head",
              .values = std::make_shared<Pyramid>(layers, steps, std::move(values))};
  const Extremes range = map.values->extremes();
  map.scale = Scale::decades;
  map.low = std::max(1.0F, range.low);
  map.high = std::max(map.low * 1.01F, range.high);
  figure.heatmap = std::move(map);
  return figure;
}

}  // namespace kvwave::viewer
