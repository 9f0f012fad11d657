#include "replay/metric_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "replay/turnover.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kBinGrain = 16;

std::uint32_t bin_width(std::uint32_t n_steps) {
  const std::uint32_t width = (n_steps + kMostBins - 1) / kMostBins;
  return std::max(1U, (width + kBinGrain - 1) / kBinGrain) * kBinGrain;
}

}  // namespace

double lowest_decile(std::vector<float> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const std::size_t n = (values.size() + 9) / 10;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n - 1), values.end());
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += values[i];
  return sum / static_cast<double>(n);
}

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

void MetricSums::add_scores(std::uint32_t layer, LayerScores& scores) {
  const std::uint32_t n = n_columns, group = sequence.group();
  std::vector<float>& kv_mass = kv_step_mass_[layer];
  kv_mass.resize(std::size_t{sequence.n_kv_heads} * sequence.n_steps() * n);
  std::vector<double> bound(n);
  for (std::uint32_t q_head = 0; q_head < sequence.n_q_heads; ++q_head) {
    const std::size_t head = (std::size_t{layer} * sequence.n_q_heads + q_head) * n;
    for (std::uint32_t step = scores.begin(); step < scores.end(); ++step) {
      const std::size_t at = std::size_t{step} * n;
      const std::size_t bin_head = std::size_t{step / bin_steps} * sequence.n_layers * sequence.n_q_heads;
      const std::size_t bin = (bin_head + std::size_t{layer} * sequence.n_q_heads + q_head) * n;
      const float* const mass = scores.mass(q_head, step).data();
      const float unknown = scores.unknown(q_head, step);
      step_unknown[step] += unknown;
      float* const kv = kv_mass.data() + (std::size_t{q_head / group} * sequence.n_steps() + step) * n;
      const float share = 1.0F / static_cast<float>(group);
      for (std::uint32_t c = 0; c < n; ++c) {
        const double counted = step >= counted_from[c] ? 1.0 : 0.0;
        step_mass[at + c] += mass[c];
        head_mass[head + c] += counted * mass[c];
        head_high[head + c] += counted * std::min(1.0, double{mass[c]} + unknown);
        kv[c] += mass[c] * share;
      }
      if (with_bins_) {
        for (std::uint32_t c = 0; c < n; ++c) bin_mass[bin + c] += mass[c];
      }
      if (metrics.error) {
        const float* const error = scores.square_error(q_head, step).data();
        const double output = scores.square_output(q_head, step), value = scores.max_value(q_head, step);
        step_output[step] += output;
        for (std::uint32_t c = 0; c < n; ++c) {
          const double counted = step >= counted_from[c] ? 1.0 : 0.0;
          const double limit = 2 * std::max(0.0, 1.0 - mass[c]) * value;
          step_error[at + c] += error[c];
          step_bound[at + c] += limit * limit;
          head_error[head + c] += counted * error[c];
          head_bound[head + c] += counted * limit * limit;
          head_output[head + c] += counted * output;
        }
        if (with_bins_) {
          for (std::uint32_t c = 0; c < n; ++c) bin_error[bin + c] += error[c];
          bin_output[bin / n] += output;
        }
      }
      if (metrics.recall) {
        const float* const recall = scores.recall(q_head, step).data();
        for (std::uint32_t c = 0; c < n; ++c) {
          step_recall[at + c] += recall[c];
          head_recall[head + c] += step >= counted_from[c] ? recall[c] : 0.0;
        }
        if (with_bins_) {
          for (std::uint32_t c = 0; c < n; ++c) bin_recall[bin + c] += recall[c];
        }
      }
    }
  }
}

void MetricSums::add_residency(std::uint32_t layer, std::span<const LayerResidency> residency,
                               std::span<const std::vector<std::uint32_t>> counts) {
  const std::uint32_t n_steps = sequence.n_steps();
  for (std::uint32_t column = 0; column < n_columns; ++column) {
    const std::uint32_t n_simulations = sweep_.n_simulations();
    const std::uint32_t source =
        column < n_simulations ? column
                               : sweep_.configurations[sweep_.ceilings[column - n_simulations]].simulations.front();
    const LayerResidency& found = residency[source];
    for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
      const std::uint32_t* const resident = counts[source].data() + std::size_t{h} * n_steps;
      const std::size_t head = std::size_t{layer} * sequence.n_kv_heads + h;
      HeadOutcome& out = outcome[head * n_columns + column];
      std::uint64_t total = 0;
      double requested = 0;
      std::size_t change = 0;  // budget in force during a step: the latest change before it
      for (std::uint32_t s = 0; s < n_steps; ++s) {
        while (change + 1 < found.refresh_step.size() &&
               found.refresh_step[change + 1] < static_cast<std::int32_t>(s)) {
          ++change;
        }
        step_resident[std::size_t{s} * n_columns + column] += resident[s];
        if (with_bins_) {
          const std::uint32_t bin = s / bin_steps;
          const std::size_t at =
              (std::size_t{bin} * sequence.n_layers * sequence.n_kv_heads + head) * n_columns + column;
          bin_resident[at] += static_cast<float>(resident[s]) / static_cast<float>(bin_size(bin));
          bin_resident_peak[at] = std::max(bin_resident_peak[at], static_cast<float>(resident[s]));
        }
        if (s < counted_from[column]) continue;
        total += resident[s];
        out.realised_peak = std::max(out.realised_peak, resident[s]);
        requested += found.budget.empty() ? resident[s] : found.budget[change * sequence.n_kv_heads + h];
      }
      const double n = n_counted(column);
      out.realised_mean = n > 0 ? static_cast<double>(total) / n : std::numeric_limits<double>::quiet_NaN();
      out.requested = n > 0 ? requested / n : std::numeric_limits<double>::quiet_NaN();
      const Turnover turnover = head_turnover(
          std::span(found.evicted_at).subspan(std::size_t{h} * sequence.n_positions, sequence.n_positions), sequence);
      out.churn = turnover.churn;
      out.jaccard = turnover.jaccard;
    }
  }
}

void MetricSums::add_needed(std::uint32_t layer, std::span<const LayerResidency> residency,
                            std::span<const std::int32_t> last_needed) {
  for (std::uint32_t column = 0; column < sweep_.n_simulations(); ++column) {
    for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
      std::uint32_t needed = 0;
      for (std::size_t i = std::size_t{h} * sequence.n_positions; i < std::size_t{h + 1} * sequence.n_positions; ++i) {
        needed += residency[column].evicted_at[i] <= last_needed[i] ? 1U : 0U;
      }
      outcome[(std::size_t{layer} * sequence.n_kv_heads + h) * n_columns + column].needed = needed;
    }
  }
}

void MetricSums::finish_layer(std::uint32_t layer) {
  const std::vector<float> mass = std::move(kv_step_mass_[layer]);
  kv_step_mass_.erase(layer);
  const std::uint32_t n_steps = sequence.n_steps();
  std::vector<float> counted;
  for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) {
    for (std::uint32_t c = 0; c < n_columns; ++c) {
      counted.clear();
      for (std::uint32_t s = counted_from[c]; s < n_steps; ++s) {
        counted.push_back(mass[(std::size_t{h} * n_steps + s) * n_columns + c]);
      }
      outcome[(std::size_t{layer} * sequence.n_kv_heads + h) * n_columns + c].worst_decile =
          static_cast<float>(lowest_decile(counted));
    }
  }
}

}  // namespace kvwave::replay
