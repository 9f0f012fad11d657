#include "replay/lock_step.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "alloc/layer_meter.h"
#include "replay/error.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kQueriesWithoutWindow = 32;  // CAKE's own window, for scorers that have none
constexpr std::uint64_t kMostFutureBytes = std::uint64_t{4} << 30;

bool replans(const Simulation& simulation) {
  return !simulation.is_full() && simulation.allocator->replans_layers();
}

// The model total in entries of caches.
std::int64_t total_budget(const std::vector<SimulationWalk>& layers) {
  std::int64_t total = 0;
  for (const SimulationWalk& walk : layers) total += walk.simulation().layer_budget();
  return total;
}

}  // namespace

bool LockStep::wanted(std::span<const Simulation> simulations) {
  return std::any_of(simulations.begin(), simulations.end(), replans);
}

LockStep::LockStep(std::span<const Simulation> simulations, const Sequence& sequence, std::uint64_t trace_key,
                   const alloc::Rope& rope, LayerStore& layers, kernels::ThreadPool& pool,
                   std::vector<StatisticsScratch>& scratch)
    : sequence_(sequence), rope_(rope), layers_(layers), pool_(pool), scratch_(scratch) {
  for (std::size_t i = 0; i < simulations.size(); ++i) {
    if (!replans(simulations[i])) continue;
    Running& running = running_.emplace_back();
    running.index = i;
    running.simulation = &simulations[i];
    running.refreshes = refresh_positions(simulations[i].scorer->rule(), sequence);
    running.memory.assign(sequence.n_layers, 0.0);
    for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
      running.layers.emplace_back(std::make_unique<LayerSimulation>(simulations[i], sequence, layer, trace_key),
                                  sequence);
    }
  }
  look_ahead();
}

void LockStep::look_ahead() {
  std::set<std::uint32_t> positions;
  for (const Running& running : running_) {
    if (running.simulation->needs().future_mass) positions.insert(running.refreshes.begin(), running.refreshes.end());
  }
  if (positions.empty()) return;
  std::uint64_t bytes = 0;
  for (const std::uint32_t position : positions) bytes += (std::uint64_t{position} + 1) * sizeof(float);
  bytes *= std::uint64_t{sequence_.n_layers} * sequence_.n_kv_heads;
  if (bytes > kMostFutureBytes) {
    throw Error(fmt::format("the future mass of all layers at {} refreshes would take {} GiB; use a larger buffer",
                            positions.size(), bytes >> 30));
  }
  const std::vector<std::uint32_t> after(positions.begin(), positions.end());
  for (std::uint32_t layer = 0; layer < sequence_.n_layers; ++layer) {
    future_.emplace_back(*layers_.get(layer), after, pool_);
  }
}

void LockStep::run(const std::function<void()>& between) {
  std::set<std::uint32_t> positions;
  for (const Running& running : running_) positions.insert(running.refreshes.begin(), running.refreshes.end());
  std::vector<std::vector<LayerPart>> parts;  // [active][layer]
  for (const std::uint32_t position : positions) {
    between();
    std::vector<Running*> active, starting;
    for (Running& running : running_) {
      const bool due = std::binary_search(running.refreshes.begin(), running.refreshes.end(), position);
      if (due && !running.settled) active.push_back(&running);
    }
    observe_rows(active, position);
    for (Running* const running : active) {
      if (starts(*running, position)) starting.push_back(running);
    }
    if (starting.empty()) continue;
    parts.assign(starting.size(), std::vector<LayerPart>(sequence_.n_layers));
    for (std::uint32_t layer = 0; layer < sequence_.n_layers; ++layer) form_layer(starting, layer, position, parts);
    for (std::size_t i = 0; i < starting.size(); ++i) replan(*starting[i], position, parts[i]);
  }
}

// Stateful scorers see every row up to this refresh's, or up to the one before where the cut comes first.
void LockStep::observe_rows(std::span<Running* const> active, std::uint32_t position) {
  std::vector<Running*> stateful;
  std::uint32_t first = position + 1;
  for (Running* const running : active) {
    running->next_position = position + 1;
    if (!running->layers.front().needs_rows()) continue;
    stateful.push_back(running);
    first = std::min(first, running->layers.front().next_row());
  }
  if (stateful.empty()) return;
  for (std::uint32_t layer = 0; layer < sequence_.n_layers; ++layer) {
    const std::shared_ptr<const LayerTensors> tensors = layers_.get(layer);
    FullRows rows(*tensors);
    for (std::uint32_t block = first; block <= position; block += FullRows::kBlock) {
      const std::uint32_t end = std::min(block + FullRows::kBlock, position + 1);
      rows.compute(block, end - block, pool_);
      pool_.parallel_for(stateful.size(), [&](std::size_t i, unsigned) {
        SimulationWalk& walk = stateful[i]->layers[layer];
        const std::uint32_t last = walk.cuts_first() ? std::min(end, position) : end;
        while (walk.next_row() >= block && walk.next_row() < last) walk.observe(rows);
      });
    }
  }
}

// Appends up to the position in all layers; whether the caches hold enough together for a refresh.
bool LockStep::starts(Running& running, std::uint32_t position) const {
  std::size_t n_residents = 0, n_caches = 0;
  for (SimulationWalk& walk : running.layers) {
    for (const std::uint32_t cache : walk.simulation().begin_all(position)) {
      n_residents += walk.simulation().slots(cache).size();
      ++n_caches;
    }
  }
  return running.layers.front().simulation().starts_refresh(n_residents, total_budget(running.layers), n_caches);
}

void LockStep::form_layer(std::span<Running* const> active, std::uint32_t layer, std::uint32_t position,
                          std::vector<std::vector<LayerPart>>& parts) {
  const std::shared_ptr<const LayerTensors> tensors = layers_.get(layer);
  const StatisticsSource source{tensors.get(), future_.empty() ? nullptr : &future_[layer], &rope_};
  struct Task {
    std::size_t running;
    std::uint32_t cache;
  };
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < active.size(); ++i) {
    const std::uint32_t n = active[i]->layers[layer].simulation().caches().count;
    parts[i][layer].statistics.resize(n);
    for (std::uint32_t cache = 0; cache < n; ++cache) tasks.push_back({i, cache});
  }
  pool_.parallel_for(tasks.size(), [&](std::size_t t, unsigned worker) {
    const Task& task = tasks[t];
    active[task.running]->layers[layer].statistics(task.cache, position, source,
                                                   parts[task.running][layer].statistics[task.cache], scratch_[worker]);
  });
  pool_.parallel_for(active.size(), [&](std::size_t i, unsigned) {
    LayerSimulation& simulation = active[i]->layers[layer].simulation();
    LayerPart& part = parts[i][layer];
    simulation.form_scores(part.statistics);
    measure(*active[i], layer, position, source, part);
    // Of the statistics only these outlive the layer's tensors.
    for (HeadStatistics& statistics : part.statistics) {
      HeadStatistics kept;
      kept.future_mass = std::move(statistics.future_mass);
      statistics = std::move(kept);
    }
    for (std::uint32_t cache = 0; cache < simulation.caches().count; ++cache) {
      part.residents.push_back(static_cast<std::uint32_t>(simulation.slots(cache).size()));
      part.scores.push_back(simulation.scores(cache));
      part.future_mass.emplace_back(part.statistics[cache].future_mass);
    }
  });
}

void LockStep::measure(const Running& running, std::uint32_t layer, std::uint32_t position,
                       const StatisticsSource& source, LayerPart& part) const {
  const alloc::ReplanNeeds needs = running.simulation->allocator->replan_needs();
  const alloc::RefreshRule rule = running.simulation->scorer->rule();
  const std::uint32_t n_queries =
      alloc::LayerMeter::n_queries(needs, rule.window > 0 ? rule.window : kQueriesWithoutWindow);
  if (n_queries == 0) return;
  alloc::LayerMeter meter(needs);
  alloc::Needs rows;
  rows.window_rows = n_queries;
  StatisticsScratch scratch;
  HeadStatistics statistics;
  const LayerSimulation& simulation = running.layers[layer].simulation();
  for (std::uint32_t cache = 0; cache < simulation.caches().count; ++cache) {
    const std::span<const std::uint32_t> slots = simulation.slots(cache);
    head_statistics({.needs = rows, .rule = rule, .cache = cache, .position = position, .slots = slots}, source,
                    statistics, scratch);
    const alloc::WindowRows window = statistics.window_rows();
    meter.add(window.prob, window.n_queries, window.n_heads, window.n_residents, simulation.scores(cache).size());
  }
  meter.finish(part.state);
}

void LockStep::replan(Running& running, std::uint32_t position, std::vector<LayerPart>& parts) {
  const alloc::Allocator& allocator = *running.simulation->allocator;
  const alloc::ReplanNeeds needs = allocator.replan_needs();
  std::vector<alloc::LayerState> states;
  std::vector<std::int32_t> budget;
  for (std::uint32_t layer = 0; layer < sequence_.n_layers; ++layer) {
    alloc::LayerState& state = parts[layer].state;
    state.residents = parts[layer].residents;
    if (needs.scores) state.scores = parts[layer].scores;
    if (needs.future_mass) state.future_mass = parts[layer].future_mass;
    states.push_back(state);
    budget.push_back(running.layers[layer].simulation().layer_budget());
  }
  alloc::LayerReplanInput input;
  input.n_kv_heads = running.layers.front().simulation().caches().count;
  input.budget = running.simulation->budget;
  input.window = running.simulation->scorer->rule().window;
  input.n_seen = position + 1;
  input.n_earlier = running.tally.n_replans;
  input.layers = states;
  input.memory = running.memory;
  running.tally.add(allocator.replan(input, budget));
  pool_.parallel_for(sequence_.n_layers, [&](std::size_t layer, unsigned) {
    SimulationWalk& walk = running.layers[layer];
    walk.simulation().set_layer_budget(budget[layer]);
    walk.keep(walk.simulation().select(parts[layer].statistics));
  });
  running.settled = needs.once;
}

std::vector<ReplanTally> LockStep::tallies(std::size_t n_simulations) const {
  std::vector<ReplanTally> all(n_simulations);
  for (const Running& running : running_) all[running.index] = running.tally;
  return all;
}

std::vector<StartedSimulation> LockStep::take(std::uint32_t layer) {
  std::vector<StartedSimulation> taken;
  for (Running& running : running_) {
    const std::uint32_t next = running.settled ? running.next_position : sequence_.n_positions;
    taken.push_back({running.index, running.layers[layer].take_simulation(), next});
  }
  return taken;
}

}  // namespace kvwave::replay
