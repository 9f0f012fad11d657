#include "replay/device_replay.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "kernels/round_bf16.h"
#include "replay/column_views.h"
#include "replay/future_mass.h"
#include "replay/layer_simulation.h"
#include "replay/selection_check.h"
#include "traces/error.h"
#include "traces/reader.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kDeviceSpanSteps = 2048;  // figures held at a time: enough rows to fill a device

kernels::ReplayShape shape_of(const Sequence& sequence) {
  return {.n_layers = sequence.n_layers,
          .n_q_heads = sequence.n_q_heads,
          .n_kv_heads = sequence.n_kv_heads,
          .head_dim = sequence.head_dim,
          .n_positions = sequence.n_positions,
          .n_prompt = sequence.n_prompt};
}

// One simulation, and its twin on the CPU where they are compared.
struct RunningSimulation {
  LayerSimulation state;
  std::optional<SelectionCheck> check;
};

// One simulation at one refresh position.
struct PendingRefresh {
  LayerSimulation* simulation = nullptr;
  SelectionCheck* check = nullptr;
  std::vector<std::uint32_t> heads;        // to be scored
  std::vector<HeadStatistics> statistics;  // of each
  std::vector<LayerSimulation::Selection> selections;
};

// head_statistics() asked of the device; the clairvoyant's part is looked up here.
void add_requests(PendingRefresh& refresh, std::uint32_t position, const FutureMass& future,
                  std::vector<kernels::CacheStatisticsRequest>& requests) {
  const alloc::Scorer& scorer = *refresh.simulation->simulation().scorer;
  const alloc::Needs needs = scorer.needs();
  const std::uint32_t window = scorer.rule().window;
  refresh.statistics.resize(refresh.heads.size());
  for (std::size_t i = 0; i < refresh.heads.size(); ++i) {
    kernels::CacheStatisticsRequest request;
    request.kv_head = refresh.heads[i];
    request.slots = refresh.simulation->slots(refresh.heads[i]);
    const auto n_slots = static_cast<std::uint32_t>(request.slots.size());
    request.n_candidates = n_slots - std::min(n_slots, window);
    request.n_queries = std::min(window, position + 1);
    request.first_query = position + 1 - request.n_queries;
    request.importance = needs.importance;
    request.redundancy = needs.redundancy;
    request.pool_kernel = needs.pool_kernel;
    request.similarity_threshold = static_cast<float>(needs.similarity_threshold);
    request.round_bf16 = needs.round_bf16;
    if (needs.future_mass) {
      const std::span<const float> later = future.after(request.kv_head, position);
      for (std::uint32_t j = 0; j < request.n_candidates; ++j) {
        refresh.statistics[i].future_mass.push_back(later[request.slots[j]]);
      }
    }
    if (needs.importance || needs.redundancy) requests.push_back(request);
  }
}

// The answers to add_requests(), in its order.
void take_answers(PendingRefresh& refresh, std::span<kernels::CacheStatistics>& answers) {
  const alloc::Needs needs = refresh.simulation->simulation().scorer->needs();
  if (!needs.importance && !needs.redundancy) return;
  for (HeadStatistics& statistics : refresh.statistics) {
    statistics.importance = std::move(answers.front().importance);
    statistics.redundancy = std::move(answers.front().redundancy);
    if (needs.round_bf16) {
      for (float& red : statistics.redundancy) red = kernels::round_to_bf16(red);
    }
    answers = answers.subspan(1);
  }
}

// All simulations that act after one position, through one batch of statistics and one of selections.
void refresh_together(std::uint32_t position, std::span<RunningSimulation* const> simulations, const FutureMass& future,
                      kernels::ReplayDevice& device, SelectionCounts& counts) {
  std::vector<PendingRefresh> pending;
  std::vector<kernels::CacheStatisticsRequest> requests;
  for (RunningSimulation* const running : simulations) {
    PendingRefresh& refresh = pending.emplace_back();
    refresh.simulation = &running->state;
    refresh.check = running->check ? &*running->check : nullptr;
    refresh.heads = running->state.begin(position);
    add_requests(refresh, position, future, requests);
  }
  std::vector<kernels::CacheStatistics> answers = device.statistics(requests);
  std::span<kernels::CacheStatistics> open = answers;
  std::vector<kernels::SelectionRequest> wanted;
  for (PendingRefresh& refresh : pending) {
    take_answers(refresh, open);
    refresh.selections = refresh.simulation->score(refresh.statistics);
    for (const LayerSimulation::Selection& one : refresh.selections) wanted.push_back({one.score, one.n_kept});
  }
  const std::vector<std::vector<std::uint32_t>> kept = device.select_top(wanted);
  std::size_t first = 0;
  for (const PendingRefresh& refresh : pending) {
    const auto own = std::span(kept).subspan(first, refresh.selections.size());
    if (refresh.check != nullptr) refresh.check->compare(position, refresh.selections, own, counts);
    refresh.simulation->keep(refresh.selections, own);
    first += refresh.selections.size();
  }
}

// The device's figures in the order in which the sums want them. What a column sees in full has no error at all.
void copy_scores(const kernels::EvaluatedRows& rows, const Sequence& sequence, const ColumnViews& views,
                 const Metrics& metrics, std::span<const float> max_value_norm, LayerScores& scores) {
  const std::size_t n_simulations = views.counts.size();
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    const std::uint32_t length = sequence.n_prompt + step + 1;
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const std::size_t row = std::size_t{step - scores.begin()} * sequence.n_q_heads + q_head;
      const std::uint32_t kv_head = q_head / sequence.group();
      const HeadResidency& head = views.heads[kv_head];
      const auto held = [&](std::size_t column) {
        return column < n_simulations ? views.counts[column][std::size_t{kv_head} * sequence.n_steps() + step]
                                      : std::min(head.ceiling_counts[column - n_simulations][step], length);
      };
      const std::span<const float> mass = rows.mass.subspan(row * rows.n_columns, rows.n_columns);
      std::copy(mass.begin(), mass.end(), scores.mass(q_head, step).begin());
      if (metrics.error) {
        const std::span<float> error = scores.square_error(q_head, step);
        for (std::size_t c = 0; c < rows.n_columns; ++c) {
          error[c] = held(c) == length ? 0.0F : rows.square_error[row * rows.n_columns + c];
        }
        scores.square_output(q_head, step) = rows.square_output[row];
        scores.max_value(q_head, step) = max_value_norm[std::size_t{kv_head} * sequence.n_positions + length - 1];
      }
      if (metrics.recall) {
        const std::span<float> recall = scores.recall(q_head, step);
        const double size = std::min(kRecallSize, length);
        for (std::size_t c = 0; c < rows.n_columns; ++c) {
          const std::uint32_t n = c < n_simulations ? rows.n_recalled[row * n_simulations + c] : held(c);
          recall[c] = static_cast<float>(std::min(1.0, n / size));
        }
      }
    }
  }
}

}  // namespace

DeviceReplay::DeviceReplay(const traces::TraceReader& trace, const Sequence& sequence, int device, bool read_ahead)
    : trace_(trace),
      sequence_(sequence),
      device_(device, shape_of(sequence),
              [this](kernels::LayerTensor tensor, std::uint32_t layer, std::uint32_t begin, std::uint32_t end,
                     std::span<float> out) { read(tensor, layer, begin, end, out); },
              {.prefetch = read_ahead}) {
  for (std::vector<float>& norms : max_value_norm_) {
    norms.resize(std::size_t{sequence.n_kv_heads} * sequence.n_positions);
  }
}

bool DeviceReplay::can_hold(const Sequence& sequence) {
  return kernels::ReplayDevice::why_refused(shape_of(sequence)).empty();
}

void DeviceReplay::load(std::uint32_t layer) {
  device_.load(layer);
  layer_ = layer;
}

void DeviceReplay::read(kernels::LayerTensor tensor, std::uint32_t layer, std::uint32_t begin, std::uint32_t end,
                        std::span<float> out) {
  std::string_view name = "v";
  if (tensor == kernels::LayerTensor::q) {
    name = "q";
    trace_.q(layer, begin, end, out);
  } else if (tensor == kernels::LayerTensor::k) {
    name = "k";
    trace_.k(layer, begin, end, out);
  } else {
    trace_.v(layer, begin, end, out);
  }
  if (!std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); })) {
    throw traces::CorruptTrace(fmt::format("{}: /qkv/{} of layer {} holds values that are not finite numbers",
                                           trace_.path().string(), name, layer));
  }
  if (tensor != kernels::LayerTensor::v) return;
  std::vector<float>& norms = max_value_norm_[layer % max_value_norm_.size()];
  for (std::size_t h = 0; h < sequence_.n_kv_heads; ++h) {
    float* const of_head = norms.data() + h * sequence_.n_positions;
    for (std::size_t p = begin; p < end; ++p) {
      const float* const value = out.data() + ((p - begin) * sequence_.n_kv_heads + h) * sequence_.head_dim;
      double square = 0;
      for (std::size_t c = 0; c < sequence_.head_dim; ++c) square += double{value[c]} * value[c];
      of_head[p] = std::max(p > 0 ? of_head[p - 1] : 0.0F, static_cast<float>(std::sqrt(square)));
    }
  }
}

std::vector<LayerResidency> DeviceReplay::simulate(const Sweep& sweep, std::span<const std::uint32_t> clairvoyant,
                                                   std::uint64_t trace_key) {
  const FutureMass future(sequence_, clairvoyant,
                          [this](std::uint32_t first, std::uint32_t end) { return device_.position_mass(first, end); });
  std::optional<LayerTensors> tensors;
  if (compares_) tensors.emplace(trace_, sequence_, layer_);
  std::deque<RunningSimulation> running;
  std::vector<std::size_t> index;  // of each running simulation in the sweep
  std::vector<LayerResidency> residency(sweep.simulations.size());
  for (std::size_t i = 0; i < sweep.simulations.size(); ++i) {
    const Simulation& simulation = sweep.simulations[i];
    if (simulation.is_full()) {
      residency[i] = full_residency(sequence_);
    } else {
      RunningSimulation& one = running.emplace_back(
          RunningSimulation{LayerSimulation(simulation, sequence_, layer_, trace_key), std::nullopt});
      const StatisticsSource source{tensors ? &*tensors : nullptr, &future, nullptr};
      if (compares_) one.check.emplace(simulation, sequence_, layer_, trace_key, source);
      index.push_back(i);
    }
  }
  std::map<std::uint32_t, std::vector<RunningSimulation*>> at_position;
  for (RunningSimulation& one : running) {
    for (const std::uint32_t position : refresh_positions(one.state.simulation().scorer->rule(), sequence_)) {
      at_position[position].push_back(&one);
    }
  }
  for (const auto& [position, simulations] : at_position) {
    refresh_together(position, simulations, future, device_, counts_);
  }
  for (std::size_t i = 0; i < running.size(); ++i) residency[index[i]] = running[i].state.take_result();
  return residency;
}

void DeviceReplay::evaluate(const Sweep& sweep, std::span<const LayerResidency> residency, const Metrics& metrics,
                            kernels::ThreadPool& pool, MetricSums& sums) {
  const ColumnViews views(sequence_, sweep, residency, pool);
  sums.add_residency(layer_, residency, views.counts, views.turnover, pool);
  kernels::EvaluationColumns columns;
  for (const LayerResidency& found : residency) columns.evicted_at.push_back(found.evicted_at.data());
  for (const std::uint32_t* counts : views.heads.front().ceiling_counts) columns.ceiling_counts.push_back(counts);
  columns.error = metrics.error;
  columns.recall_count = metrics.recall ? kRecallSize : 0;
  columns.needed_share = kNeededShare;
  device_.start_evaluation(columns);
  LayerScores scores;
  for (std::uint32_t begin = 0; begin < sequence_.n_steps(); begin += kDeviceSpanSteps) {
    const std::uint32_t end = std::min(begin + kDeviceSpanSteps, sequence_.n_steps());
    scores.reset(sequence_, metrics, sweep.n_columns(), begin, end);
    copy_scores(device_.evaluate(begin, end), sequence_, views, metrics,
                max_value_norm_[layer_ % max_value_norm_.size()], scores);
    sums.add_scores(layer_, scores, pool);
  }
  if (metrics.recall) {
    const std::vector<std::int32_t> last_needed = device_.last_needed();
    std::vector<NeededSteps> needed;
    for (std::size_t h = 0; h < sequence_.n_kv_heads; ++h) {
      needed.push_back(
          NeededSteps::from_last(std::span(last_needed).subspan(h * sequence_.n_positions, sequence_.n_positions)));
    }
    sums.add_needed(layer_, residency, needed, pool);
  }
  sums.finish_layer(layer_, pool);
}

}  // namespace kvwave::replay
