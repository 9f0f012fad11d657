#include "replay/metric_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "replay/no_figure.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kBinGrain = 16;
constexpr std::uint32_t kBlockColumns = 32;  // summed together by one thread
constexpr std::uint32_t kLineColumns = 8;    // whose sums over steps lie in one cache line

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
  const auto [found, is_new] = head_steps_.try_emplace(layer);
  HeadSteps& steps = found->second;
  if (is_new) {
    steps = std::move(spare_steps_);
    spare_steps_ = {};
    const std::size_t rows = std::size_t{sequence.n_kv_heads} * sequence.n_steps();
    steps.mass.resize(rows * n_columns);  // every value is written, those of outputs are added
    steps.error.resize(metrics.error ? rows * n_columns : 0);
    steps.recall.resize(metrics.recall ? rows * n_columns : 0);
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

// One value per column of a block. What is added has as many values as the block has columns.
template <class T>
struct BlockLine {
  alignas(64) std::array<T, kBlockColumns> value{};

  template <class U>
  void add(std::span<const U> other) {
    for (std::size_t c = 0; c < other.size(); ++c) value[c] += other[c];
  }
  template <class U>
  void add(std::span<const U> other, const BlockLine<T>& weight) {
    for (std::size_t c = 0; c < other.size(); ++c) value[c] += weight.value[c] * other[c];
  }
  void clear(std::uint32_t n) { std::fill_n(value.begin(), n, T{}); }
  std::span<const T> first(std::uint32_t n) const { return std::span(value).first(n); }
};

using Sums = BlockLine<double>;
using Line = BlockLine<float>;

void add_to(std::vector<double>& to, std::size_t at, std::span<const double> from) {
  for (std::size_t c = 0; c < from.size(); ++c) to[at + c] += from[c];
}

void store(std::vector<float>& to, std::size_t at, std::span<const float> from, float share) {
  for (std::size_t c = 0; c < from.size(); ++c) to[at + c] = from[c] * share;
}

// (2 (1 - m) max |v|)^2.
Sums square_bounds(std::span<const float> mass, double value) {
  Sums bound;
  for (std::size_t c = 0; c < mass.size(); ++c) {
    const double limit = 2 * std::max(0.0, 1.0 - mass[c]) * value;
    bound.value[c] = limit * limit;
  }
  return bound;
}

Sums upper_masses(std::span<const float> mass, float unknown) {
  Sums high;
  for (std::size_t c = 0; c < mass.size(); ++c) high.value[c] = std::min(1.0, double{mass[c]} + unknown);
  return high;
}

}  // namespace

// 1 for the columns whose figures count in that step, 0 for the others.
void MetricSums::mark_counted(std::uint32_t step, std::uint32_t first, std::uint32_t n,
                              std::span<double> counted) const {
  for (std::uint32_t c = 0; c < n; ++c) counted[c] = step >= counted_from[first + c] ? 1.0 : 0.0;
}

void MetricSums::add_figure(std::uint32_t layer, LayerScores& scores, const Figure& figure, std::uint32_t first,
                            std::uint32_t n) {
  const std::uint32_t group = sequence.group();
  std::vector<Sums> heads(sequence.n_q_heads), bins(with_bins_ ? sequence.n_q_heads : 0);
  Sums counted, of_step;
  Line of_head;
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    mark_counted(step, first, n, counted.value);
    of_step.clear(n);
    for (std::uint32_t kv_head = 0; kv_head < sequence.n_kv_heads; ++kv_head) {
      of_head.clear(n);
      for (std::uint32_t q_head = kv_head * group; q_head < (kv_head + 1) * group; ++q_head) {
        const std::span<const float> line = (scores.*figure.line)(q_head, step).subspan(first, n);
        of_head.add(line);
        heads[q_head].add(line, counted);
        if (with_bins_) bins[q_head].add(line);
      }
      of_step.add(of_head.first(n));
      const std::size_t at = (std::size_t{kv_head} * sequence.n_steps() + step) * n_columns + first;
      store(figure.head_steps, at, of_head.first(n), figure.share);
    }
    add_to(figure.step, std::size_t{step} * n_columns + first, of_step.first(n));
    if (!with_bins_ || ((step + 1) % bin_steps != 0 && step + 1 != scores.end())) continue;
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const std::size_t bin_layer = std::size_t{step / bin_steps} * sequence.n_layers + layer;
      add_to(figure.bin, (bin_layer * sequence.n_q_heads + q_head) * n_columns + first, bins[q_head].first(n));
      bins[q_head].clear(n);
    }
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first;
    for (std::vector<double>* const to : figure.head) add_to(*to, head, heads[q_head].first(n));
  }
}

void MetricSums::add_upper_masses(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n) {
  Sums counted;
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    Sums high;
    for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
      mark_counted(step, first, n, counted.value);
      const Sums limit = upper_masses(scores.mass(q_head, step).subspan(first, n), scores.unknown(q_head, step));
      high.add(limit.first(n), counted);
    }
    add_to(head_high, (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first, high.first(n));
  }
}

// The bound of the output error and the outputs that it is a share of.
void MetricSums::add_bounds(std::uint32_t layer, LayerScores& scores, std::uint32_t first, std::uint32_t n) {
  std::vector<Sums> bounds(sequence.n_q_heads), outputs(sequence.n_q_heads);
  Sums counted, of_step, output;
  for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
    mark_counted(step, first, n, counted.value);
    of_step.clear(n);
    for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
      const Sums bound = square_bounds(scores.mass(q_head, step).subspan(first, n), scores.max_value(q_head, step));
      output.value.fill(scores.square_output(q_head, step));
      of_step.add(bound.first(n));
      bounds[q_head].add(bound.first(n), counted);
      outputs[q_head].add(output.first(n), counted);
    }
    add_to(step_bound, std::size_t{step} * n_columns + first, of_step.first(n));
  }
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n_columns + first;
    add_to(head_bound, head, bounds[q_head].first(n));
    add_to(head_output, head, outputs[q_head].first(n));
  }
}

void MetricSums::add_columns(std::uint32_t layer, LayerScores& scores, HeadSteps& steps, std::uint32_t first,
                             std::uint32_t n) {
  const float share = 1.0F / static_cast<float>(sequence.group());
  Figure mass{&LayerScores::mass, share, steps.mass, step_mass, bin_mass, {&head_mass}};
  if (scores.any_unknown()) {
    add_upper_masses(layer, scores, first, n);
  } else {
    mass.head.push_back(&head_high);
  }
  add_figure(layer, scores, mass, first, n);
  if (metrics.error) {
    add_figure(layer, scores, {&LayerScores::square_error, 1.0F, steps.error, step_error, bin_error, {&head_error}},
               first, n);
    add_bounds(layer, scores, first, n);
  }
  if (metrics.recall) {
    add_figure(layer, scores, {&LayerScores::recall, share, steps.recall, step_recall, bin_recall, {&head_recall}},
               first, n);
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
                                      std::span<const std::uint32_t> counts, std::span<const Turnover> turnover,
                                      alloc::StrategyKind kind) {
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
    out.churn = turnover[h].churn;
    out.jaccard = turnover[h].jaccard;
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

void MetricSums::add_residency(std::uint32_t layer, std::span<const LayerResidency> residency,
                               std::span<const std::vector<std::uint32_t>> counts,
                               std::span<const std::vector<Turnover>> turnover, kernels::ThreadPool& pool) {
  const std::uint32_t n_simulations = sweep_.n_simulations();
  const auto add_column = [&](std::uint32_t column) {
    const std::uint32_t source =
        column < n_simulations ? column
                               : sweep_.configurations[sweep_.ceilings[column - n_simulations]].simulations.front();
    const Simulation& simulation = sweep_.simulations[source];
    const alloc::StrategyKind kind =
        simulation.is_full() ? alloc::StrategyKind::destructive : simulation.scorer->kind();
    add_column_residency(layer, column, residency[source], counts[source], turnover[source], kind);
  };
  // Neighbouring columns share the cache lines of the sums over steps.
  pool.parallel_for((n_columns + kLineColumns - 1) / kLineColumns, [&](std::size_t task, unsigned) {
    const auto first = static_cast<std::uint32_t>(task) * kLineColumns;
    for (std::uint32_t c = first; c < std::min(first + kLineColumns, n_columns); ++c) add_column(c);
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
  HeadSteps steps = std::move(head_steps_[layer]);
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
  spare_steps_ = std::move(steps);
}

}  // namespace kvwave::replay
