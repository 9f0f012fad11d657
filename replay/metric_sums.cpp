#include "replay/metric_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "replay/no_figure.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kBinGrain = 16;
constexpr std::uint32_t kLineColumns = 8;  // whose sums over steps lie in one cache line

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
