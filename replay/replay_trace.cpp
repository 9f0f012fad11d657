#include "replay/replay_trace.h"

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "replay/device_replay.h"
#include "replay/error.h"
#include "replay/layer_store.h"
#include "replay/lock_step.h"
#include "replay/match_memory.h"
#include "replay/rope_frequencies.h"
#include "replay/simulate_all.h"
#include "replay/token_marks.h"
#include "traces/command_line.h"
#include "traces/error.h"
#include "traces/reader.h"

namespace kvwave::replay {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check_interrupt() {
  if (traces::InterruptGuard::interrupted()) throw Interrupted();
}

// Positions after which some simulation will ask for future mass.
std::vector<std::uint32_t> clairvoyant_positions(const Sweep& sweep, const Sequence& sequence) {
  std::set<std::uint32_t> positions;
  for (const Simulation& simulation : sweep.simulations) {
    if (simulation.is_full() || !simulation.needs().future_mass) continue;
    const std::vector<std::uint32_t> own = refresh_positions(simulation.scorer->rule(), sequence);
    positions.insert(own.begin(), own.end());
  }
  return {positions.begin(), positions.end()};
}

void require_levels(const traces::TraceReader& trace, const traces::Levels& levels, const std::string& what_needs) {
  try {
    trace.require(levels);
  } catch (const traces::MissingLevel& error) {
    throw traces::MissingLevel(fmt::format("{}: {}", what_needs, error.what()));
  }
}

void require_rows(const traces::TraceReader& trace, const std::string& what_needs) {
  require_levels(trace, {.tokens = false, .stats = false, .attention = false, .qkv = true}, what_needs);
}

// What a device does not serve is refused here too, whoever asks.
void require_served(const kernels::Device& device, const SweepRequest& request) {
  if (!device.is_cuda()) return;
  std::string strategy = beyond_device(request);
  if (strategy.empty() && request.controls && request.clairvoyant && request.clairvoyant_budgets) {
    strategy = "the clairvoyant split of budgets";
  }
  if (strategy.empty()) return;
  throw Error(fmt::format("{} cannot replay {}: that is for the CPU alone", device.name, strategy));
}

std::vector<PackedResidency> packed(std::vector<LayerResidency> residency) {
  std::vector<PackedResidency> kept;
  kept.reserve(residency.size());
  for (LayerResidency& one : residency) kept.emplace_back(std::move(one));
  return kept;
}

void replay_layers_on_device(const traces::TraceReader& trace, std::span<const std::uint32_t> clairvoyant,
                             std::uint64_t trace_key, const Metrics& metrics, const ReplayOptions& options,
                             kernels::ThreadPool& pool,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress, TraceReplay& replay) {
  const Sequence& sequence = replay.sequence;
  DeviceReplay device(trace, sequence, options.device.index, options.read_ahead && !options.compare_selections);
  if (options.compare_selections) device.compare_selections();
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    check_interrupt();
    progress(layer, sequence.n_layers);
    device.load(layer);
    auto start = Clock::now();
    std::vector<LayerResidency> residency = device.simulate(replay.sweep, clairvoyant, trace_key);
    replay.simulate_seconds += seconds_since(start);
    start = Clock::now();
    device.evaluate(replay.sweep, residency, metrics, pool, *replay.sums);
    replay.evaluate_seconds += seconds_since(start);
    if (options.keep_details) replay.residency.push_back(packed(std::move(residency)));
  }
  if (options.compare_selections) replay.selections = device.selection_counts();
  progress(sequence.n_layers, sequence.n_layers);
}

}  // namespace

Sequence sequence_of(const traces::TraceReader& trace) {
  const traces::ModelShape& shape = trace.shape();
  Sequence sequence;
  sequence.n_layers = shape.n_layers;
  sequence.n_q_heads = shape.n_q_heads;
  sequence.n_kv_heads = shape.n_kv_heads;
  sequence.head_dim = shape.head_dim;
  sequence.n_positions = trace.n_positions();
  sequence.n_prompt = trace.info().n_prompt;
  return sequence;
}

std::uint64_t key_of(const std::string& content_sha256) {
  return std::stoull(content_sha256.substr(0, 16), nullptr, 16);
}

std::unique_ptr<TraceReplay> replay_trace(const traces::TraceReader& trace, std::uint64_t trace_key,
                                          SweepRequest request, std::span<const double> demand,
                                          const ReplayOptions& options, kernels::ThreadPool& pool,
                                          const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  auto replay = std::make_unique<TraceReplay>();
  Sequence& sequence = replay->sequence = sequence_of(trace);
  if (sequence.n_positions <= sequence.n_prompt) {
    throw NothingToCompute(fmt::format("{}: holds no decode step to replay", trace.path().string()));
  }
  const bool has_qkv = trace.info().levels.qkv;
  request.clairvoyant = request.clairvoyant && has_qkv;
  require_served(options.device, request);
  if (const std::string reader = reads_tokens(request); !reader.empty()) {
    require_levels(trace, {.tokens = true, .stats = false, .attention = false, .qkv = false},
                   reader + " needs tokens (level tokens)");
    sequence.marks = token_marks(trace);
  }
  if (request.match_memory) {
    request.solved = match_memory(trace, trace_key, request, sequence, demand, options.metrics.page, pool);
  }
  replay->sweep = build_sweep(request, sequence, demand);
  std::string strategy;
  if (options.device.is_cuda()) require_rows(trace, "--device " + options.device.name + " needs queries and keys");
  if (replay->sweep.needs_qkv(&strategy)) require_rows(trace, strategy);
  Metrics metrics = options.metrics;
  if (!has_qkv) {
    trace.require({.tokens = false, .stats = false, .attention = true, .qkv = false});
    replay->stored_rows = true;
    metrics.error = false;
  }
  replay->sums = std::make_unique<MetricSums>(sequence, replay->sweep, metrics, options.keep_details);
  const std::vector<std::uint32_t> wanted = clairvoyant_positions(replay->sweep, sequence);
  std::vector<StatisticsScratch> scratch(pool.size());
  std::optional<RopeFrequencies> frequencies;
  if (replay->sweep.needs_rope()) frequencies.emplace(trace.info());
  const alloc::Rope rope = frequencies ? frequencies->rope() : alloc::Rope();

  if (!has_qkv) {
    std::vector<std::vector<LayerResidency>> residency;  // rows come step by step, for all layers together
    for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
      residency.push_back(simulate_all(replay->sweep.simulations, sequence, layer, {}, trace_key, {}, pool, scratch));
    }
    const auto start = Clock::now();
    const auto report = [&](std::uint32_t steps) {
      check_interrupt();
      progress(steps, sequence.n_steps());
    };
    evaluate_stored_rows(trace, sequence, replay->sweep, residency, metrics, pool, report, *replay->sums);
    replay->evaluate_seconds = seconds_since(start);
    if (!options.keep_details) return replay;
    for (std::vector<LayerResidency>& layer : residency) replay->residency.push_back(packed(std::move(layer)));
    return replay;
  }
  if (options.device.is_cuda()) {
    replay_layers_on_device(trace, wanted, trace_key, metrics, options, pool, progress, *replay);
    return replay;
  }
  const bool together = LockStep::wanted(replay->sweep.simulations);
  LayerStore layers(trace, sequence, together ? options.layer_bytes : 0);
  std::optional<LockStep> lock_step;
  if (together) {
    const auto start = Clock::now();
    lock_step.emplace(replay->sweep.simulations, sequence, trace_key, rope, layers, pool, scratch);
    lock_step->run(check_interrupt);
    replay->replans = lock_step->tallies(replay->sweep.simulations.size());
    replay->simulate_seconds += seconds_since(start);
  }
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    check_interrupt();
    progress(layer, sequence.n_layers);
    const std::shared_ptr<const LayerTensors> tensors = layers.get(layer);
    auto start = Clock::now();
    const FutureMass future(*tensors, wanted, pool);
    std::vector<StartedSimulation> started;
    if (lock_step) started = lock_step->take(layer);
    std::vector<LayerResidency> residency = simulate_all(
        replay->sweep.simulations, sequence, layer, {tensors.get(), &future, &rope}, trace_key, started, pool, scratch);
    replay->simulate_seconds += seconds_since(start);
    start = Clock::now();
    evaluate_layer(*tensors, replay->sweep, residency, metrics, pool, *replay->sums);
    replay->evaluate_seconds += seconds_since(start);
    if (options.keep_details) replay->residency.push_back(packed(std::move(residency)));
  }
  progress(sequence.n_layers, sequence.n_layers);
  return replay;
}

}  // namespace kvwave::replay
