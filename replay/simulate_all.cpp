#include "replay/simulate_all.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "replay/selector_simulation.h"
#include "replay/simulation_walk.h"

namespace kvwave::replay {

namespace {

// What one task carries through the layer: a simulation's caches that must be taken together, or one selecting cache.
struct Unit {
  std::size_t simulation = 0;
  std::unique_ptr<SimulationWalk> walk;
  std::unique_ptr<SelectorSimulation> selector;
};

std::vector<std::int32_t> selector_budgets(const Simulation& simulation, const Sequence& sequence,
                                           std::uint32_t layer) {
  const std::uint32_t count = n_caches(simulation.scorer->rule().granularity, sequence);
  const std::vector<std::int32_t>& fixed = simulation.plan.head_budget;
  if (!fixed.empty()) {
    const auto first = fixed.begin() + static_cast<std::ptrdiff_t>(std::size_t{layer} * count);
    return {first, first + count};
  }
  std::vector<std::int32_t> budget(count);
  alloc::divide_evenly(simulation.plan.budget[layer], budget);
  return budget;
}

void add_units(const Simulation& simulation, std::size_t index, const Sequence& sequence, std::uint32_t layer,
               std::uint64_t trace_key, std::vector<Unit>& units) {
  const alloc::Granularity granularity = simulation.scorer->rule().granularity;
  const std::uint32_t count = n_caches(granularity, sequence);
  if (simulation.scorer->selects()) {
    const std::vector<std::int32_t> budgets = selector_budgets(simulation, sequence, layer);
    for (std::uint32_t c = 0; c < count; ++c) {
      units.push_back({.simulation = index,
                       .walk = nullptr,
                       .selector = std::make_unique<SelectorSimulation>(simulation, sequence, layer, c, budgets[c])});
    }
    return;
  }
  const std::uint32_t together = simulation.shares_heads() ? count : 1;
  for (std::uint32_t first = 0; first < count; first += together) {
    auto state = std::make_unique<LayerSimulation>(simulation, sequence, layer, trace_key,
                                                   LayerSimulation::Caches{first, together});
    units.push_back({.simulation = index,
                     .walk = std::make_unique<SimulationWalk>(std::move(state), sequence),
                     .selector = nullptr});
  }
}

// Whose steps are taken one by one.
bool takes_steps(const Unit& unit) {
  return unit.selector != nullptr || unit.walk->needs_rows();
}

bool needs_rows(const Unit* unit) {
  return unit->selector == nullptr || unit->selector->simulation().scorer->needs().rows;
}

// Steps [first, end) of one unit.
void take_steps(Unit& unit, std::uint32_t first, std::uint32_t end, const FullRows* rows,
                const StatisticsSource& source, StatisticsScratch& scratch) {
  for (std::uint32_t position = first; position < end; ++position) {
    if (unit.selector != nullptr) {
      if (position >= unit.selector->first_row()) unit.selector->step(position, *source.tensors, rows);
    } else if (position == unit.walk->next_row()) {
      unit.walk->step(*rows, source, scratch);
    }
  }
}

void walk_steps(std::vector<Unit*>& units, const Sequence& sequence, const StatisticsSource& source,
                kernels::ThreadPool& pool, std::vector<StatisticsScratch>& scratch) {
  std::uint32_t first = sequence.n_prompt;
  for (const Unit* const unit : units) {
    first = std::min(first, unit->walk != nullptr ? unit->walk->next_row() : unit->selector->first_row());
  }
  std::optional<FullRows> rows;
  if (std::any_of(units.begin(), units.end(), needs_rows)) rows.emplace(*source.tensors);
  for (; first < sequence.n_positions; first += FullRows::kBlock) {
    const std::uint32_t end = std::min(first + FullRows::kBlock, sequence.n_positions);
    if (rows) rows->compute(first, end - first, pool);
    pool.parallel_for(units.size(), [&](std::size_t i, unsigned worker) {
      take_steps(*units[i], first, end, rows ? &*rows : nullptr, source, scratch[worker]);
    });
  }
}

// Caches of one simulation, in the order of caches.
LayerResidency merged(std::vector<LayerResidency> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  LayerResidency all = std::move(parts.front());
  all.evicted_at.reserve(parts.size() * all.evicted_at.size());
  all.visible.reserve(parts.size() * all.visible.size());
  all.moved.reserve(parts.size() * all.moved.size());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const LayerResidency part = std::move(parts[i]);
    all.n_caches += part.n_caches;
    all.evicted_at.insert(all.evicted_at.end(), part.evicted_at.begin(), part.evicted_at.end());
    all.budget.insert(all.budget.end(), part.budget.begin(), part.budget.end());
    all.visible.insert(all.visible.end(), part.visible.begin(), part.visible.end());
    all.moved.insert(all.moved.end(), part.moved.begin(), part.moved.end());
  }
  return all;
}

}  // namespace

std::vector<LayerResidency> simulate_all(std::span<const Simulation> simulations, const Sequence& sequence,
                                         std::uint32_t layer, const StatisticsSource& source, std::uint64_t trace_key,
                                         std::span<StartedSimulation> started, kernels::ThreadPool& pool,
                                         std::vector<StatisticsScratch>& scratch) {
  std::vector<LayerResidency> residency(simulations.size());
  std::vector<Unit> units;
  std::vector<bool> is_started(simulations.size(), false);
  for (StartedSimulation& one : started) {
    is_started[one.simulation] = true;
    units.push_back({.simulation = one.simulation,
                     .walk = std::make_unique<SimulationWalk>(std::move(one.state), sequence, one.next_position),
                     .selector = nullptr});
  }
  for (std::size_t i = 0; i < simulations.size(); ++i) {
    if (is_started[i]) continue;
    if (simulations[i].is_full()) {
      residency[i] = full_residency(sequence);
    } else {
      add_units(simulations[i], i, sequence, layer, trace_key, units);
    }
  }
  std::vector<Unit*> stepwise, alone;
  for (Unit& unit : units) (takes_steps(unit) ? stepwise : alone).push_back(&unit);
  pool.parallel_for(alone.size(),
                    [&](std::size_t i, unsigned worker) { alone[i]->walk->finish(source, scratch[worker]); });
  if (!stepwise.empty()) walk_steps(stepwise, sequence, source, pool, scratch);

  std::vector<std::vector<LayerResidency>> parts(simulations.size());
  for (Unit& unit : units) {
    parts[unit.simulation].push_back(unit.selector != nullptr ? unit.selector->take_result()
                                                              : unit.walk->simulation().take_result());
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) residency[i] = merged(std::move(parts[i]));
  }
  return residency;
}

}  // namespace kvwave::replay
