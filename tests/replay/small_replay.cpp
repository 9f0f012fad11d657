#include "tests/replay/small_replay.h"

#include <algorithm>

#include "replay/evaluate.h"
#include "tests/replay/brute_force.h"

namespace kvwave::replay {

const std::vector<std::string> kMixed = {"uniform/rkv:window=4,buffer=8", "reasonalloc/rkv:window=4,buffer=8",
                                         "uniform/streaming:window=1,buffer=1"};

const std::vector<std::string> kEveryStep = {"uniform/h2o",
                                             "uniform/h2o:heads=query",
                                             "uniform/tova",
                                             "uniform/quest:page=4,dense=1",
                                             "uniform/lru:page=4,wanted=5",
                                             "uniform/rkv:window=4,buffer=8"};

SyntheticTrace trace_of(const TraceCase& c) {
  SyntheticOptions options;
  options.shape = {
      .n_layers = 2, .n_q_heads = c.group * c.n_kv_heads, .n_kv_heads = c.n_kv_heads, .head_dim = c.head_dim};
  options.n_prompt = c.n_prompt;
  options.n_positions = c.n_positions;
  options.seed = c.seed;
  options.qkv_dtype = c.dtype;
  return make_synthetic(options);
}

std::unique_ptr<Replayed> run_replay(const SyntheticTrace& trace, const std::vector<std::string>& strategies,
                                     unsigned threads, bool controls, std::vector<std::uint32_t> budgets,
                                     const Metrics& metrics) {
  auto run = std::make_unique<Replayed>();
  run->sequence = sequence_of(trace);
  SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  request.budgets = std::move(budgets);
  request.controls = controls;
  run->sweep = build_sweep(request, run->sequence, std::vector<double>{30, 10});
  run->sums = std::make_unique<MetricSums>(run->sequence, run->sweep, metrics, true);
  kernels::ThreadPool pool(threads);
  for (std::uint32_t layer = 0; layer < run->sequence.n_layers; ++layer) {
    const LayerTensors tensors = layer_tensors(trace, layer);
    std::vector<std::uint32_t> positions;
    for (std::uint32_t p = run->sequence.n_prompt - 1; p < run->sequence.n_positions; ++p) positions.push_back(p);
    const FutureMass future(tensors, positions, pool);
    StatisticsScratch scratch;
    std::vector<LayerResidency> residency;
    for (const Simulation& simulation : run->sweep.simulations) {
      residency.push_back(simulate_layer(simulation, run->sequence, layer, {&tensors, &future}, 5, scratch));
    }
    evaluate_layer(tensors, run->sweep, residency, metrics, pool, *run->sums);
    run->residency.push_back(std::move(residency));
  }
  return run;
}

std::vector<bool> seen(const Replayed& run, const SyntheticTrace& trace, std::uint32_t column, std::uint32_t layer,
                       std::uint32_t q_head, std::uint32_t step) {
  const std::uint32_t kv_head = q_head / run.sequence.group();
  const std::uint32_t n = run.sweep.n_simulations();
  if (column < n) {
    const LayerResidency& residency = run.residency[layer][column];
    const bool own_cache = residency.n_caches == run.sequence.n_q_heads;
    return visible_at(residency, run.sequence, own_cache ? q_head : kv_head, step);
  }
  const std::uint32_t followed = run.sweep.configurations[run.sweep.ceilings[column - n]].simulations.front();
  const std::vector<bool> held = visible_at(run.residency[layer][followed], run.sequence, kv_head, step);
  const auto count = static_cast<std::uint32_t>(std::count(held.begin(), held.end(), true));
  return top_of_row(exact_row(trace, layer, q_head, run.sequence.n_prompt + step), count);
}

}  // namespace kvwave::replay
