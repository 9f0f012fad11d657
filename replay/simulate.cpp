#include "replay/simulate.h"

#include <algorithm>

#include "replay/layer_simulation.h"

namespace kvwave::replay {

std::vector<std::uint32_t> LayerResidency::resident_counts(const Sequence& sequence) const {
  const std::size_t n_steps = sequence.n_steps(), n_positions = sequence.n_positions;
  std::vector<std::uint32_t> counts(sequence.n_kv_heads * n_steps);
  std::vector<std::uint32_t> dropped(n_steps + 1);
  for (std::size_t h = 0; h < sequence.n_kv_heads; ++h) {
    std::fill(dropped.begin(), dropped.end(), 0U);
    for (std::size_t i = 0; i < n_positions; ++i) {
      const std::int32_t step = evicted_at[h * n_positions + i];
      if (step < static_cast<std::int32_t>(n_steps)) ++dropped[static_cast<std::size_t>(step)];
    }
    std::uint32_t gone = 0;
    for (std::size_t s = 0; s < n_steps; ++s) {
      gone += dropped[s];
      counts[h * n_steps + s] = static_cast<std::uint32_t>(sequence.n_prompt + s + 1) - gone;
    }
  }
  return counts;
}

std::vector<std::uint32_t> refresh_positions(const alloc::RefreshRule& rule, const Sequence& sequence) {
  const bool once = rule.trigger == alloc::Trigger::after_prompt;
  std::vector<std::uint32_t> positions;
  if ((once || rule.prompt == alloc::PromptRule::cut) && sequence.n_prompt > 0) {
    positions.push_back(sequence.n_prompt - 1);
  }
  if (once) return positions;
  for (std::uint32_t p = sequence.n_prompt; p < sequence.n_positions; ++p) {
    const std::uint32_t decoded = p + 1 - sequence.n_prompt;
    bool due = true;  // every_step
    if (rule.trigger == alloc::Trigger::position_multiple) {
      due = p % rule.buffer == 0;
    } else if (rule.trigger != alloc::Trigger::every_step) {
      due = decoded % rule.buffer == 0;
    }
    if (due) positions.push_back(p);
  }
  return positions;
}

LayerResidency full_residency(const Sequence& sequence) {
  LayerResidency full;
  full.n_caches = sequence.n_kv_heads;
  full.evicted_at.assign(std::size_t{sequence.n_kv_heads} * sequence.n_positions, kNever);
  return full;
}

LayerResidency simulate_layer(const Simulation& simulation, const Sequence& sequence, std::uint32_t layer,
                              const StatisticsSource& source, std::uint64_t trace_key, StatisticsScratch& scratch) {
  if (simulation.is_full()) return full_residency(sequence);
  const alloc::RefreshRule rule = simulation.scorer->rule();
  const alloc::Needs needs = simulation.needs();
  LayerSimulation state(simulation, sequence, layer, trace_key);
  std::vector<HeadStatistics> statistics;
  std::vector<std::vector<std::uint32_t>> kept;
  for (const std::uint32_t position : refresh_positions(rule, sequence)) {
    const std::vector<std::uint32_t> caches = state.begin(position);
    statistics.resize(caches.size());
    for (std::size_t i = 0; i < caches.size(); ++i) {
      head_statistics(
          {.needs = needs, .rule = rule, .cache = caches[i], .position = position, .slots = state.slots(caches[i])},
          source, statistics[i], scratch);
    }
    kept.clear();
    const std::vector<LayerSimulation::Selection> selections = state.score(statistics);
    for (const LayerSimulation::Selection& one : selections) kept.push_back(alloc::select_top(one.score, one.n_kept));
    state.keep(selections, kept);
  }
  return state.take_result();
}

}  // namespace kvwave::replay
