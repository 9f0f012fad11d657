#include "replay/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "replay/error.h"
#include "replay/generated_demand.h"

namespace kvwave::replay {
namespace {

// Rows of /stats/layer_demand read at once, about a mebibyte.
std::uint32_t rows_per_read(std::size_t values_per_row) {
  constexpr std::size_t kValues = std::size_t{1} << 18U;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(kValues / values_per_row, 1, 4096));
}

double depth(std::size_t layer, std::size_t n_layers) {
  return n_layers < 2 ? 0.0 : static_cast<double>(layer) / static_cast<double>(n_layers - 1);
}

// Calls use(i, layer, demands of its query heads in decode step i).
template <class Use>
void for_each_stored_demand(const traces::TraceReader& trace, double rho, const Use& use) {
  const traces::ModelShape& shape = trace.shape();
  const std::size_t at = rho_index(trace, rho), n_rho = trace.info().rho.size(), n_heads = shape.n_q_heads;
  const std::uint32_t first = trace.info().n_prompt, end = trace.n_positions();
  const std::uint32_t block = rows_per_read(shape.n_layers * n_heads * n_rho);
  std::vector<std::uint32_t> rows, heads(n_heads);
  for (std::uint32_t begin = first; begin < end; begin += std::min(block, end - begin)) {
    const std::uint32_t n = std::min(block, end - begin);
    rows.resize(n * shape.n_layers * n_heads * n_rho);
    trace.demand(begin, begin + n, rows);
    for (std::size_t i = 0; i < std::size_t{n} * shape.n_layers; ++i) {
      for (std::size_t h = 0; h < n_heads; ++h) heads[h] = rows[(i * n_heads + h) * n_rho + at];
      use(begin - first + i / shape.n_layers, i % shape.n_layers, heads);
    }
  }
}

// From the demands of every query head; the stored layer demand is their mean alone.
void average_demands(const traces::TraceReader& trace, double rho, const WaveReading& reading, TraceWave& wave) {
  const std::uint32_t group = trace.shape().n_q_heads / trace.shape().n_kv_heads;
  std::vector<std::vector<double>> of_row(wave.demand.size(), std::vector<double>(wave.n_rows));
  std::vector<std::uint32_t> scratch;
  const auto use = [&](std::size_t step, std::size_t layer, std::span<const std::uint32_t> heads) {
    of_row[layer][step] = average_heads(reading.heads, heads, group, scratch);
  };
  if (reading.positions == RowPositions::generated) {
    for_each_generated_demand(trace, rho, use);
  } else {
    for_each_stored_demand(trace, rho, use);
  }
  for (std::size_t l = 0; l < of_row.size(); ++l) wave.demand[l] = average_steps(reading.steps, of_row[l]);
}

}  // namespace

std::size_t rho_index(const traces::TraceReader& trace, double rho) {
  const std::vector<double>& grid = trace.info().rho;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    if (std::abs(grid[i] - rho) < 1e-9) return i;
  }
  throw NothingToCompute(
      fmt::format("{}: rho {} is not in the recorded grid ({})", trace.path().string(), rho, fmt::join(grid, ", ")));
}

bool holds_rho(const traces::TraceReader& trace, double rho) {
  const std::vector<double>& grid = trace.info().rho;
  return std::any_of(grid.begin(), grid.end(), [&](double known) { return std::abs(known - rho) < 1e-9; });
}

TraceWave trace_wave(const traces::TraceReader& trace, double rho, const WaveReading& reading) {
  const bool recomputed = reading.positions == RowPositions::generated;
  trace.require({.tokens = false, .stats = !recomputed, .attention = false, .qkv = recomputed});
  const std::size_t at = recomputed ? 0 : rho_index(trace, rho);
  const std::uint32_t first = trace.info().n_prompt, end = trace.n_positions();
  if (first >= end) throw NothingToCompute(fmt::format("{}: holds no decode step", trace.path().string()));

  const std::size_t n_layers = trace.shape().n_layers, n_rho = trace.info().rho.size();
  TraceWave wave{std::vector<double>(n_layers, 0.0), end - first};
  if (reading != WaveReading()) {
    average_demands(trace, rho, reading, wave);
    return wave;
  }
  const std::uint32_t block = rows_per_read(n_layers * n_rho);
  std::vector<float> rows;
  for (std::uint32_t begin = first; begin < end; begin += std::min(block, end - begin)) {
    const std::uint32_t n = std::min(block, end - begin);
    rows.resize(n * n_layers * n_rho);
    trace.layer_demand(begin, begin + n, rows);
    for (std::size_t r = 0; r < n; ++r) {
      for (std::size_t l = 0; l < n_layers; ++l) wave.demand[l] += double{rows[(r * n_layers + l) * n_rho + at]};
    }
  }
  for (double& demand : wave.demand) demand /= wave.n_rows;
  return wave;
}

CalibratedTrace calibrated_trace(const traces::TraceReader& trace, double rho, const WaveReading& reading) {
  return {trace.path().string(), trace.info().model_name, trace.info().model_sha256, trace.content_sha256(),
          trace_wave(trace, rho, reading)};
}

Profile make_profile(std::span<const CalibratedTrace> traces, double rho) {
  const CalibratedTrace& first = traces.front();
  const std::size_t n_layers = first.wave.demand.size();
  Profile profile;
  profile.model_name = first.model_name;
  profile.model_sha256 = first.model_sha256;
  profile.rho = rho;
  for (const CalibratedTrace& trace : traces) {
    if (trace.model_sha256 != first.model_sha256 || trace.wave.demand.size() != n_layers) {
      throw UnequalTraces(fmt::format("{} is of model {} and {} of model {}: a profile holds one model", first.path,
                                      first.model_name, trace.path, trace.model_name));
    }
    profile.n_rows += trace.wave.n_rows;
    profile.traces.push_back(trace.content_sha256);
  }
  const auto n = static_cast<double>(traces.size());
  for (std::size_t l = 0; l < n_layers; ++l) {
    double mean = 0, squares = 0;
    for (const CalibratedTrace& trace : traces) mean += trace.wave.demand[l] / n;
    for (const CalibratedTrace& trace : traces) {
      squares += (trace.wave.demand[l] - mean) * (trace.wave.demand[l] - mean);
    }
    profile.demand.push_back(mean);
    profile.demand_spread.push_back(traces.size() < 2 ? 0.0 : std::sqrt(squares / (n - 1)));
  }
  for (const CalibratedTrace& trace : traces) {
    if (traces.size() < 2) break;
    std::vector<double> others(n_layers);
    for (std::size_t l = 0; l < n_layers; ++l) others[l] = (n * profile.demand[l] - trace.wave.demand[l]) / (n - 1);
    profile.trace_distance.push_back(wave_distance(trace.wave.demand, others));
  }
  return profile;
}

Profile calibrate(std::span<const traces::TraceReader* const> traces, double rho, const WaveReading& reading) {
  std::vector<CalibratedTrace> waves;
  for (const traces::TraceReader* trace : traces) waves.push_back(calibrated_trace(*trace, rho, reading));
  Profile profile = make_profile(waves, rho);
  profile.reading = reading;
  return profile;
}

double wave_distance(std::span<const double> wave, std::span<const double> other) {
  const double sum = std::accumulate(wave.begin(), wave.end(), 0.0);
  const double other_sum = std::accumulate(other.begin(), other.end(), 0.0);
  // The integral over depth of |F - G|, both being step functions that rise at their layers.
  double distance = 0, f = 0, g = 0, from = 0;
  std::size_t i = 0, j = 0;
  while (i < wave.size() || j < other.size()) {
    const double next_i = i < wave.size() ? depth(i, wave.size()) : 2.0;
    const double next_j = j < other.size() ? depth(j, other.size()) : 2.0;
    const double to = std::min(next_i, next_j);
    distance += std::abs(f - g) * (to - from);
    from = to;
    if (next_i <= to) f += wave[i++] / sum;
    if (next_j <= to) g += other[j++] / other_sum;
  }
  return distance;
}

}  // namespace kvwave::replay
