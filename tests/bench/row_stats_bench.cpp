// What the recorder adds to one token of a SmolLM2-135M: statistics and covering sets of its 30 x 9 attention rows.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/cpu_features.h"
#include "kernels/row_stats.h"

namespace {

using kvwave::kernels::ProbType;
using kvwave::kernels::RowAnalyser;
using kvwave::kernels::SimdPath;

constexpr std::size_t kRows = 270;
const std::vector<double> kRho = {0.5, 0.8, 0.9, 0.93, 0.95, 0.99};

/// Softmax rows between peaked and diffuse, with a sink; about a third of the positions hold 99 % of the mass.
std::vector<std::vector<float>> rows_of_length(std::size_t n) {
  std::mt19937 random(1);
  std::vector<std::vector<float>> rows(kRows, std::vector<float>(n));
  for (std::vector<float>& row : rows) {
    std::normal_distribution<double> gauss(0.0, 1.0 + 0.01 * static_cast<double>(random() % 300));
    double sum = 0;
    for (float& p : row) sum += p = static_cast<float>(std::exp(gauss(random)));
    row[0] += static_cast<float>(sum);
    for (float& p : row) p = static_cast<float>(p / (2 * sum));
  }
  return rows;
}

void token(benchmark::State& state, bool stats, bool attention) {
  const auto path = static_cast<SimdPath>(state.range(1));
  if (path > kvwave::kernels::best_simd_path()) {
    state.SkipWithError("this CPU lacks the path");
    return;
  }
  const SimdPath before = kvwave::kernels::simd_path();
  kvwave::kernels::set_simd_path(path);
  const auto rows = rows_of_length(static_cast<std::size_t>(state.range(0)));
  RowAnalyser analyser;
  std::vector<std::uint32_t> demand(kRho.size()), position;
  std::vector<std::byte> prob;
  for (auto _ : state) {
    position.clear();
    prob.clear();
    for (const std::vector<float>& row : rows) {
      analyser.read(row);
      if (stats) {
        analyser.demand(kRho, demand);
        benchmark::DoNotOptimize(analyser.stats(4, 32));
      }
      if (attention) benchmark::DoNotOptimize(analyser.append_covering(1e-2, ProbType::f16, position, prob));
    }
  }
  state.SetLabel(std::string(to_string(path)));
  kvwave::kernels::set_simd_path(before);
}

void stats_of_a_token(benchmark::State& state) {
  token(state, true, false);
}
void stats_and_attention_of_a_token(benchmark::State& state) {
  token(state, true, true);
}

}  // namespace

BENCHMARK(stats_of_a_token)->ArgsProduct({{128, 512, 2048}, {0, 1, 2}})->Unit(benchmark::kMicrosecond);
BENCHMARK(stats_and_attention_of_a_token)->ArgsProduct({{128, 512, 2048}, {0, 1, 2}})->Unit(benchmark::kMicrosecond);
