#include "replay/metric_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "replay/no_figure.h"
#include "replay/turnover.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kBinGrain = 16;
constexpr std::uint32_t kBlockColumns = 16;  // summed together by one thread

std::uint32_t bin_width(std::uint32_t n_steps) {
  const std::uint32_t width = (n_steps + kMostBins - 1) / kMostBins;
  return std::max(1U, (width + kBinGrain - 1) / kBinGrain) * kBinGrain;
}

}  // namespace

MetricSums::MetricSums(const Sequence& sequence_in, const Sweep& sweep, const Metrics& metrics_in, bool with_bins)
    : sequence(sequence_in),
      metrics(metrics_in),
      n_columns(sweep.n_columns()),
      bin_steps(bin_width(sequence_in.n_steps())),
      n_bins((sequence_in.n_steps() + bin_steps - 1) / bin_steps),
      sweep_(sweep),
      with_bins_(with_bins) {
  for (std::uint32_t c = 0; c < n_columns; ++c) counted_from.push_back(sequence.counted_from(sweep.column_budget(c)));
  const std::size_t steps = std::size_t{sequence.n_steps()} * n_columns;
  const std::size_t heads = std::size_t{sequence.n_layers} * sequence.n_q_heads * n_columns;
  const std::size_t kv_heads = std::size_t{sequence.n_layers} * sequence.n_kv_heads * n_columns;
  const std::size_t bins = with_bins ? n_bins : 0;
  step_mass.assign(steps, 0.0);
  step_unknown.assign(sequence.n_steps(), 0.0);
  step_resident.assign(steps, 0);
  step_paged.assign(steps, 0);
  head_mass.assign(heads, 0.0);
  head_high.assign(heads, 0.0);
  outcome.assign(kv_heads, HeadOutcome{});
  bin_mass.assign(bins * heads, 0.0);
  bin_resident.assign(bins * kv_heads, 0.0F);
  bin_resident_peak.assign(bins * kv_heads, 0.0F);
  if (metrics.error) {
    step_error.assign(steps, 0.0);
    step_bound.assign(steps, 0.0);
    step_output.assign(sequence.n_steps(), 0.0);
    head_error.assign(heads, 0.0);
    head_bound.assign(heads, 0.0);
    head_output.assign(heads, 0.0);
    bin_error.assign(bins * heads, 0.0);
    bin_output.assign(bins * sequence.n_layers * sequence.n_q_heads, 0.0);
  }
  if (metrics.recall) {
    step_recall.assign(steps, 0.0);
    head_recall.assign(heads, 0.0);
    bin_recall.assign(bins * heads, 0.0);
  }
}

MetricSums::HeadSteps& MetricSums::head_steps(std::uint32_t layer) {
  HeadSteps& steps = head_steps_[layer];
  if (steps.mass.empty()) {
    const std::size_t rows = std::size_t{sequence.n_kv_heads} * sequence.n_steps();
    steps.mass.assign(rows * n_columns, 0.0F);
    steps.error.assign(metrics.error ? rows * n_columns : 0, 0.0F);
    steps.recall.assign(metrics.recall ? rows * n_columns : 0, 0.0F);
    steps.output.assign(metrics.error ? rows : 0, 0.0F);
  }
  return steps;
}

// What is the same for all columns.
void MetricSums::add_rows(std::uint32_t layer, LayerScores& scores, HeadSteps& steps) {
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    float* const head_output_steps =
        metrics.error ? steps.output.data() + std::size_t{q_head / sequence.group()} * sequence.n_steps() : nullptr;
    for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
      step_unknown[step] += scores.unknown(q_head, step);
      if (!metrics.error) continue;
      const float output = scores.square_output(q_head, step);
      step_output[step] += output;
      head_output_steps[step] += output;
      if (!with_bins_) continue;
      const std::size_t bin = std::size_t{step / bin_steps} * sequence.n_layers + layer;
      bin_output[bin * sequence.n_q_heads + q_head] += output;
    }
  }
}

namespace {

// One value per column of a block. Loops have a fixed length, so that the compiler keeps them in vector registers.
template <class T>
struct BlockLine {
  alignas(64) std::array<T, kBlockColumns> value{};

  // The first n columns from memory; the others 0.
  static BlockLine load(const float* from, std::uint32_t n) {
    BlockLine line;
    if (n == kBlockColumns) {
      std::copy_n(from, kBlockColumns, line.value.begin());
    } else {
      std::copy_n(from, n, line.value.begin());
    }
    return line;
  }
  template <class U>
  void add(const BlockLine<U>& other) {
    for (std::uint32_t c = 0; c < kBlockColumns; ++c) value[c] += other.value[c];
  }
  template <class U>
  void add(const BlockLine<U>& other, const BlockLine<T>& weight) {
    for (std::uint32_t c = 0; c < kBlockColumns; ++c) value[c] += weight.value[c] * other.value[c];
  }
};

using Sums = BlockLine<double>;
using Line = BlockLine<float>;

void add_to(std::vector<double>& to, std::size_t at, std::uint32_t n, const Sums& from) {
  for (std::uint32_t c = 0; c < n; ++c) to[at + c] += from.value[c];
}

void store(std::vector<float>& to, std::size_t at, std::uint32_t n, const Line& from, float share) {
  for (std::uint32_t c = 0; c < n; ++c) to[at + c] = from.value[c] * share;
}

// Sums over the steps of one q_head: of counted steps, and of all steps of the current bin.
struct HeadSums {
  Sums mass, high, error, bound, output, recall;
  Sums bin_mass, bin_error, bin_recall;
};

// (2 (1 - m) max |v|)^2.
Sums square_bounds(const Line& mass, double value) {
  Sums bound;
  for (std::uint32_t c = 0; c < kBlockColumns; ++c) {
    const double limit = 2 * std::max(0.0, 1.0 - mass.value[c]) * value;
    bound.value[c] = limit * limit;
  }
  return bound;
}

Sums upper_masses(const Line& mass, float unknown) {
  Sums high;
  for (std::uint32_t c = 0; c < kBlockColumns; ++c) high.value[c] = std::min(1.0, double{mass.value[c]} + unknown);
  return high;
}

}  // namespace

void MetricSums::add_columns(std::uint32_t layer, LayerScores& scores, HeadSteps& steps, std::uint32_t first,
                             std::uint32_t n) {
  const std::uint32_t group = sequence.group();
  const float share = 1.0F / static_cast<float>(group);
  const bool partly_unknown = scores.any_unknown();
  std::vector<HeadSums> heads(sequence.n_q_heads);
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    Sums counted;
    for (std::uint32_t c = 0; c < n; ++c) counted.value[c] = step >= counted_from[first + c] ? 1.0 : 0.0;
    Sums of_step_mass, of_step_error, of_step_bound, of_step_recall;
    for (std::uint32_t kv_head = 0; kv_head < sequence.n_kv_heads; ++kv_head) {
      Line of_head_mass, of_head_error, of_head_recall;
      for (std::uint32_t q_head = kv_head * group; q_head < (kv_head + 1) * group; ++q_head) {
        HeadSums& head = heads[q_head];
        const Line mass = Line::load(scores.mass(q_head, step).data() + first, n);
        of_head_mass.add(mass);
        head.mass.add(mass, counted);
        if (partly_unknown) head.high.add(upper_masses(mass, scores.unknown(q_head, step)), counted);
        if (with_bins_) head.bin_mass.add(mass);
        if (metrics.error) {
          const Line error = Line::load(scores.square_error(q_head, step).data() + first, n);
          const Sums bound = square_bounds(mass, scores.max_value(q_head, step));
          Sums output;
          output.value.fill(scores.square_output(q_head, step));
          of_head_error.add(error);
          of_step_bound.add(bound);
          head.error.add(error, counted);
          head.bound.add(bound, counted);
          head.output.add(output, counted);
          if (with_bins_) head.bin_error.add(error);
        }
        if (metrics.recall) {
          const Line recall = Line::load(scores.recall(q_head, step).data() + first, n);
          of_head_recall.add(recall);
          head.recall.add(recall, counted);
          if (with_bins_) head.bin_recall.add(recall);
        }
      }
      of_step_mass.add(of_head_mass);
      of_step_error.add(of_head_error);
      of_step_recall.add(of_head_recall);
      const std::size_t at = (std::size_t{kv_head} * sequence.n_steps() + step) * n_columns + first;
      store(steps.mass, at, n, of_head_mass, share);
      if (metrics.error) store(steps.error, at, n, of_head_error, 1.0F);
      if (metrics.recall) store(steps.recall, at, n, of_head_recall, share);
    }
    const std::size_t at = std::size_t{step} * n_columns + first;
    add_to(step_mass, at, n, of_step_mass);
    if (metrics.error) {
      add_to(step_error, at, n, of_step_error);
      add_to(step_bound, at, n, of_step_bound);
    }
    if (metrics.recall) add_to(step_recall, at, n, of_step_recall);
    if (!with_bins_ || ((step + 1) % bin_steps != 0 && step + 1 != scores.end())) continue;
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const std::size_t bin_layer = std::size_t{step / bin_steps} * sequence.n_layers + layer;
      const std::size_t bin = (bin_layer * sequence.n_q_heads + q_head) * n_columns + first;
      add_to(bin_mass, bin, n, std::exchange(heads[q_head].bin_mass, {}));
      if (metrics.error) add_to(bin_error, bin, n, std::exchange(heads[q_head].bin_error, {}));
      if (metrics.recall) add_to(bin_recall, bin, n, std::exchange(heads[q_head].bin_recall, {}));
    }
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first;
    add_to(head_mass, head, n, heads[q_head].mass);
    add_to(head_high, head, n, partly_unknown ? heads[q_head].high : heads[q_head].mass);
    if (metrics.error) {
      add_to(head_error, head, n, heads[q_head].error);
      add_to(head_bound, head, n, heads[q_head].bound);
      add_to(head_output, head, n, heads[q_head].output);
    }
    if (metrics.recall) add_to(head_recall, head, n, heads[q_head].recall);
  }
}

void MetricSums::add_scores(std::uint32_t layer, LayerScores& scores, kernels::ThreadPool& pool) {
  HeadSteps& steps = head_steps(layer);
  const std::uint32_t n_blocks = (n_columns + kBlockColumns - 1) / kBlockColumns;
  pool.parallel_for(std::size_t{n_blocks} + 1, [&](std::size_t task, unsigned) {
    if (task == n_blocks) return add_rows(layer, scores, steps);
    const auto first = static_cast<std::uint32_t>(task) * kBlockColumns;
    add_columns(layer, scores, steps, first, std::min(kBlockColumns, n_columns - first));
  });
}

void MetricSums::add_column_residency(std::uint32_t layer, std::uint32_t column, const LayerResidency& found,
                                      std::span<const std::uint32_t> counts, alloc::StrategyKind kind) {
  const std::uint32_t n_steps = sequence.n_steps();
  std::vector<std::uint32_t> total(n_steps, 0), paged(n_steps, 0);
  const std::vector<std::int32_t> head_budgets = found.head_budgets(sequence);
  const bool holds_more = kind == alloc::StrategyKind::selection;
  const std::vector<std::uint32_t> all_held =
      holds_more ? found.held_counts(sequence, kind) : std::vector<std::uint32_t>();
  for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
    const std::span<const std::uint32_t> resident = counts.subspan(std::size_t{h} * n_steps, n_steps);
    const std::span<const std::uint32_t> held =
        holds_more ? std::span(all_held).subspan(std::size_t{h} * n_steps, n_steps) : resident;
    for (std::uint32_t s = 0; s < n_steps; ++s) total[s] += resident[s];
    for (std::uint32_t s = 0; s < n_steps; ++s) {
      paged[s] += metrics.page > 1 ? in_pages(held[s], metrics.page) : held[s];
    }
    if (with_bins_) {
      const std::size_t head = std::size_t{layer} * sequence.n_kv_heads + h;
      const std::size_t n_heads = std::size_t{sequence.n_layers} * sequence.n_kv_heads;
      for (std::uint32_t s = 0; s < n_steps; ++s) {
        const std::uint32_t bin = s / bin_steps;
        const std::size_t at = (std::size_t{bin} * n_heads + head) * n_columns + column;
        bin_resident[at] += static_cast<float>(resident[s]) / static_cast<float>(bin_size(bin));
        bin_resident_peak[at] = std::max(bin_resident_peak[at], static_cast<float>(resident[s]));
      }
    }
    HeadOutcome& out = outcome[outcome_index(layer, h, column)];
    const BudgetHistory budgets{found.refresh_step, head_budgets.empty() ? nullptr : head_budgets.data() + h,
                                sequence.n_kv_heads};
    out.held = held_entries(resident, budgets, sequence.n_prompt, counted_from[column], metrics.page);
    out.memory =
        holds_more ? held_entries(held, budgets, sequence.n_prompt, counted_from[column], metrics.page) : out.held;
    out.moved = moved_entries(found, h, counted_from[column]);
    const Turnover turnover = cache_turnover(found, h);
    out.churn = turnover.churn;
    out.jaccard = turnover.jaccard;
  }
  for (std::uint32_t s = 0; s < n_steps; ++s) {
    step_resident[std::size_t{s} * n_columns + column] += total[s];
    step_paged[std::size_t{s} * n_columns + column] += paged[s];
  }
}

double MetricSums::moved_entries(const LayerResidency& found, std::uint32_t kv_head, std::uint32_t first) const {
  const std::size_t n_steps = sequence.n_steps();
  if (found.moved.empty() || first >= n_steps) return kNoFigure;
  const std::size_t n = found.caches_per_kv_head(sequence);
  double sum = 0;
  for (std::size_t cache = kv_head * n; cache < (kv_head + 1) * n; ++cache) {
    for (std::size_t s = first; s < n_steps; ++s) sum += found.moved[cache * n_steps + s];
  }
  return sum / static_cast<double>(n_steps - first);
}

// Of a KV head's cache, or the mean over the caches of its query heads.
Turnover MetricSums::cache_turnover(const LayerResidency& found, std::uint32_t kv_head) const {
  const std::uint32_t n = found.caches_per_kv_head(sequence);
  Turnover sum{0, 0};
  for (std::uint32_t c = kv_head * n; c < (kv_head + 1) * n; ++c) {
    const Turnover one = head_turnover(
        std::span(found.evicted_at).subspan(std::size_t{c} * sequence.n_positions, sequence.n_positions), sequence);
    sum.churn += one.churn / static_cast<float>(n);
    sum.jaccard += one.jaccard / static_cast<float>(n);
  }
  return sum;
}

void MetricSums::add_residency(std::uint32_t layer, std::span<const LayerResidency> residency,
                               std::span<const std::vector<std::uint32_t>> counts, kernels::ThreadPool& pool) {
  const std::uint32_t n_simulations = sweep_.n_simulations();
  pool.parallel_for(n_columns, [&](std::size_t task, unsigned) {
    const auto column = static_cast<std::uint32_t>(task);
    const std::uint32_t source =
        column < n_simulations ? column
                               : sweep_.configurations[sweep_.ceilings[column - n_simulations]].simulations.front();
    const Simulation& simulation = sweep_.simulations[source];
    const alloc::StrategyKind kind =
        simulation.is_full() ? alloc::StrategyKind::destructive : simulation.scorer->kind();
    add_column_residency(layer, column, residency[source], counts[source], kind);
  });
}

void MetricSums::add_needed(std::uint32_t layer, std::span<const LayerResidency> residency,
                            std::span<const NeededSteps> needed, kernels::ThreadPool& pool) {
  pool.parallel_for(sweep_.n_simulations(), [&](std::size_t task, unsigned) {
    const auto column = static_cast<std::uint32_t>(task);
    for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
      const std::span<const std::int32_t> evicted_at(residency[column].evicted_at);
      const std::uint32_t n = residency[column].caches_per_kv_head(sequence);
      NeededAfterEviction& out = outcome[outcome_index(layer, h, column)].needed;
      for (std::uint32_t c = 0; c < n; ++c) {
        const std::size_t cache = std::size_t{h} * n + c;
        const NeededAfterEviction found = needed[h].after(
            evicted_at.subspan(cache * sequence.n_positions, sequence.n_positions), n == 1 ? kAnyHead : head_bit(c));
        if (c == 0) {
          out = found;
          continue;
        }
        out.n_positions += found.n_positions;
        if (out.first_step < 0 || (found.first_step >= 0 && found.first_step < out.first_step)) {
          out.first_step = found.first_step;
        }
      }
    }
  });
}

void MetricSums::finish_layer(std::uint32_t layer, kernels::ThreadPool& pool) {
  const HeadSteps steps = std::move(head_steps_[layer]);
  head_steps_.erase(layer);
  const std::uint32_t n_steps = sequence.n_steps();
  pool.parallel_for(std::size_t{sequence.n_kv_heads} * n_columns, [&](std::size_t task, unsigned) {
    const auto h = static_cast<std::uint32_t>(task / n_columns);
    const auto column = static_cast<std::uint32_t>(task % n_columns);
    const std::uint32_t first = std::min(counted_from[column], n_steps);
    HeadOutcome& out = outcome[outcome_index(layer, h, column)];
    std::vector<float> line(n_steps - first);
    const auto gather = [&](const std::vector<float>& from) {
      for (std::uint32_t s = first; s < n_steps; ++s) {
        line[s - first] = from[(std::size_t{h} * n_steps + s) * n_columns + column];
      }
    };
    gather(steps.mass);
    out.mass = worst_steps(line, first, Worst::lowest);
    out.drops = count_drops(line);
    if (metrics.error) {
      gather(steps.error);
      for (std::uint32_t s = first; s < n_steps; ++s) {
        const float output = steps.output[std::size_t{h} * n_steps + s];
        line[s - first] = output > 0 ? std::sqrt(line[s - first] / output) : std::numeric_limits<float>::quiet_NaN();
      }
      out.error = worst_steps(line, first, Worst::highest);
    }
    if (metrics.recall) {
      gather(steps.recall);
      out.recall = worst_steps(line, first, Worst::lowest);
    }
  });
}

}  // namespace kvwave::replay
