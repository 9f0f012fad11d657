// Random traces and short runs for tests of policies that look at every step.
#pragma once

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "replay/simulate_all.h"
#include "tests/replay/brute_force.h"

namespace kvwave::replay {

inline constexpr std::uint32_t kTracePrompt = 20, kTracePositions = 110, kTraceGroup = 3, kTraceKvHeads = 2;

inline SyntheticTrace random_step_trace(std::uint64_t seed, std::uint32_t n_prompt = kTracePrompt) {
  SyntheticOptions options;
  options.shape = {
      .n_layers = 3, .n_q_heads = kTraceKvHeads * kTraceGroup, .n_kv_heads = kTraceKvHeads, .head_dim = 12};
  options.n_prompt = n_prompt;
  options.n_positions = kTracePositions;
  options.seed = seed;
  return make_synthetic(options);
}

inline Sweep sweep_of_steps(const std::vector<std::string>& strategies, std::uint32_t budget,
                            const Sequence& sequence) {
  SweepRequest request;
  for (const std::string& text : strategies) request.strategies.push_back(alloc::Strategy::parse(text));
  request.budgets = {budget};
  request.controls = false;
  const std::vector<double> demand(sequence.n_layers, 10.0);
  return build_sweep(request, sequence, demand);
}

inline LayerResidency simulate_steps(const std::string& strategy, std::uint32_t budget, const SyntheticTrace& trace,
                                     std::uint32_t layer = 0) {
  const Sequence sequence = sequence_of(trace);
  const Sweep sweep = sweep_of_steps({strategy}, budget, sequence);
  const LayerTensors tensors = layer_tensors(trace, layer);
  StatisticsScratch scratch;
  return simulate_layer(sweep.simulations.front(), sequence, layer, {.tensors = &tensors}, 7, scratch);
}

inline std::vector<std::int32_t> cache_of(const LayerResidency& residency, std::uint32_t cache) {
  const auto first = residency.evicted_at.begin() + cache * kTracePositions;
  return {first, first + kTracePositions};
}

inline std::vector<std::uint32_t> heads_of(std::uint32_t kv_head) {
  std::vector<std::uint32_t> heads(kTraceGroup);
  std::iota(heads.begin(), heads.end(), kv_head * kTraceGroup);
  return heads;
}

}  // namespace kvwave::replay
