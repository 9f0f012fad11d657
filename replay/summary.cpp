#include "replay/summary.h"

#include <algorithm>
#include <cmath>

#include "replay/places.h"

namespace kvwave::replay {

namespace {

// Mean of what is there; NaN without any.
class Mean {
 public:
  void add(double value) {
    if (std::isnan(value)) return;
    sum_ += value;
    ++n_;
  }
  double value() const { return n_ > 0 ? sum_ / n_ : kNoFigure; }

 private:
  double sum_ = 0;
  double n_ = 0;
};

double root_ratio(double error, double output) {
  return output > 0 ? std::sqrt(error / output) : kNoFigure;
}

double ratio(double a, double b) {
  return b > 0 ? a / b : kNoFigure;
}

class Summariser {
 public:
  Summariser(const MetricSums& sums, const Sweep& sweep, std::uint32_t value_bytes)
      : sums_(sums), sweep_(sweep), entry_bytes_(2.0 * sums.sequence.head_dim * value_bytes) {}

  ConfigurationSummary configuration(std::uint32_t index) const {
    const std::vector<std::uint32_t> columns = columns_of(sweep_, index);
    const bool ceiling = sweep_.configurations[index].kind == ConfigurationKind::ceiling;
    const std::uint32_t n_kv_heads = sums_.sequence.n_kv_heads;
    ConfigurationSummary summary;
    summary.n_counted = sums_.n_counted(columns.front());
    for (std::uint32_t layer = 0; layer < sums_.sequence.n_layers; ++layer) {
      for (std::uint32_t h = 0; h < n_kv_heads; ++h) {
        summary.kv_heads.push_back(kv_head(layer, h, columns, ceiling));
      }
      const std::span of_layer = std::span(summary.kv_heads).last(n_kv_heads);
      summary.layers.push_back(part(layer, layer + 1, of_layer, columns, ceiling));
    }
    summary.total = total(columns, summary, ceiling);
    summary.total.solved_budget = sweep_.configurations[index].solved_budget;
    return summary;
  }

 private:
  // Sums over the query heads [first, last) of a layer and over the columns.
  struct Pool {
    double mass = 0, high = 0, recall = 0, error = 0, bound = 0, output = 0;
    double n_rows = 0;
  };
  // Of the KV heads of layers [first, last).
  struct DropSums {
    double n_drops = 0, n_below = 0, n_steps = 0;
  };

  void pool_heads(std::uint32_t layer, std::uint32_t first, std::uint32_t last,
                  const std::vector<std::uint32_t>& columns, Pool& pool) const {
    for (std::uint32_t q_head = first; q_head < last; ++q_head) {
      for (const std::uint32_t column : columns) {
        const std::size_t at = (std::size_t{layer} * sums_.sequence.n_q_heads + q_head) * sums_.n_columns + column;
        pool.mass += sums_.head_mass[at];
        pool.high += sums_.head_high[at];
        pool.n_rows += sums_.n_counted(column);
        if (sums_.metrics.recall) pool.recall += sums_.head_recall[at];
        if (!sums_.metrics.error) continue;
        pool.error += sums_.head_error[at];
        pool.bound += sums_.head_bound[at];
        pool.output += sums_.head_output[at];
      }
    }
  }
  void put(const Pool& pool, Figures& figures) const {
    if (pool.n_rows <= 0) return;
    figures.retained_mass = pool.mass / pool.n_rows;
    figures.retained_mass_hi = pool.high / pool.n_rows;
    if (sums_.metrics.recall) figures.recall = pool.recall / pool.n_rows;
    if (!sums_.metrics.error) return;
    figures.output_error = root_ratio(pool.error, pool.output);
    figures.output_error_bound = root_ratio(pool.bound, pool.output);
  }

  const HeadOutcome& outcome(std::uint32_t layer, std::uint32_t h, std::uint32_t column) const {
    return sums_.outcome[(std::size_t{layer} * sums_.sequence.n_kv_heads + h) * sums_.n_columns + column];
  }

  void add_drops(std::uint32_t layer, std::uint32_t h, const std::vector<std::uint32_t>& columns,
                 DropSums& sums) const {
    for (const std::uint32_t column : columns) {
      sums.n_drops += outcome(layer, h, column).drops.n_drops;
      sums.n_below += outcome(layer, h, column).drops.n_steps_below;
      sums.n_steps += sums_.n_counted(column);
    }
  }
  static void put(const DropSums& sums, double n_caches, Figures& figures) {
    if (sums.n_steps <= 0) return;
    figures.time_to_recover = ratio(sums.n_below, sums.n_drops);
    figures.drops = sums.n_drops / n_caches;
    figures.below_share = sums.n_below / sums.n_steps;
  }

  Figures kv_head(std::uint32_t layer, std::uint32_t h, const std::vector<std::uint32_t>& columns, bool ceiling) const {
    const std::uint32_t group = sums_.sequence.group();
    Figures figures;
    Pool pool;
    pool_heads(layer, h * group, (h + 1) * group, columns, pool);
    put(pool, figures);
    DropSums drops;
    add_drops(layer, h, columns, drops);
    put(drops, static_cast<double>(columns.size()), figures);
    Mean requested, mean, steady, peak, paged_mean, paged_steady, paged_peak, moved, needed, churn, jaccard;
    Mean mass_decile, mass_step, error_decile, error_step, recall_decile, recall_step;
    for (const std::uint32_t column : columns) {
      const HeadOutcome& out = outcome(layer, h, column);
      const bool counted = sums_.n_counted(column) > 0;
      requested.add(out.held.requested);
      mean.add(out.held.mean);
      steady.add(out.held.steady);
      peak.add(counted ? out.held.peak : kNoFigure);
      paged_mean.add(out.memory.paged_mean);
      paged_steady.add(out.memory.paged_steady);
      paged_peak.add(counted ? out.memory.paged_peak : kNoFigure);
      moved.add(out.moved);
      needed.add(out.needed.n_positions);
      churn.add(out.churn);
      jaccard.add(out.jaccard);
      mass_decile.add(out.mass.decile);
      mass_step.add(out.mass.value);
      error_decile.add(out.error.decile);
      error_step.add(out.error.value);
      recall_decile.add(out.recall.decile);
      recall_step.add(out.recall.value);
    }
    figures.requested = requested.value();
    figures.realised_mean = mean.value();
    figures.realised_steady = steady.value();
    figures.realised_peak = peak.value();
    figures.paged_mean = paged_mean.value();
    figures.paged_steady = paged_steady.value();
    figures.paged_peak = paged_peak.value();
    set_bytes(entry_bytes_, figures);
    figures.bytes_moved = moved.value() * entry_bytes_;
    figures.worst_decile = mass_decile.value();
    figures.worst_step = mass_step.value();
    const std::int64_t worst_at = outcome(layer, h, columns.front()).mass.step;
    if (columns.size() == 1 && worst_at >= 0) figures.worst_step_at = static_cast<double>(worst_at);
    figures.output_error_worst_decile = error_decile.value();
    figures.output_error_worst_step = error_step.value();
    figures.recall_worst_decile = recall_decile.value();
    figures.recall_worst_step = recall_step.value();
    if (ceiling) return figures;  // it evicts nothing: it picks afresh for every row
    figures.churn = churn.value();
    figures.jaccard = jaccard.value();
    if (!sums_.metrics.recall) return figures;
    figures.needed_after_eviction = needed.value();
    figures.needed_first_step = first_needed(layer, h, columns);
    return figures;
  }

  // The earliest over the columns; NaN when nothing was needed, or the rows were evaluated where it is not known.
  double first_needed(std::uint32_t layer, std::uint32_t h, const std::vector<std::uint32_t>& columns) const {
    double first = kNoFigure;
    for (const std::uint32_t column : columns) {
      const NeededAfterEviction& needed = outcome(layer, h, column).needed;
      if (!needed.first_step_known) return kNoFigure;
      if (needed.first_step >= 0) first = std::fmin(first, needed.first_step);
    }
    return first;
  }

  void set_bytes(double bytes_per_entry, Figures& figures) const {
    figures.bytes_mean = figures.paged_mean * bytes_per_entry;
    figures.bytes_steady = figures.paged_steady * bytes_per_entry;
    figures.bytes_peak = figures.paged_peak * bytes_per_entry;
    figures.bytes_read = figures.realised_mean * bytes_per_entry;
  }

  // Layers [first, last), whose KV heads are `heads`; everything but what follows the steps of all heads together.
  Figures part(std::uint32_t first, std::uint32_t last, std::span<const Figures> heads,
               const std::vector<std::uint32_t>& columns, bool ceiling) const {
    const Sequence& sequence = sums_.sequence;
    Figures figures;
    Pool pool;
    DropSums drops;
    for (std::uint32_t layer = first; layer < last; ++layer) {
      pool_heads(layer, 0, sequence.n_q_heads, columns, pool);
      for (std::uint32_t h = 0; h < sequence.n_kv_heads; ++h) add_drops(layer, h, columns, drops);
    }
    put(pool, figures);
    put(drops, static_cast<double>(heads.size() * columns.size()), figures);
    std::vector<double> budgets;
    for (const Figures& head : heads) budgets.push_back(head.requested);
    if (!ceiling) figures.budget_gini = gini(budgets);
    for (const auto figure :
         {&Figures::requested, &Figures::realised_mean, &Figures::realised_steady, &Figures::paged_mean,
          &Figures::paged_steady, &Figures::needed_after_eviction, &Figures::churn, &Figures::jaccard}) {
      Mean mean;
      for (const Figures& head : heads) mean.add(head.*figure);
      figures.*figure = mean.value();
    }
    double moved = 0;
    for (const Figures& head : heads) moved += head.bytes_moved;
    figures.bytes_moved = moved;
    for (const Figures& head : heads) {
      figures.needed_first_step = std::fmin(figures.needed_first_step, head.needed_first_step);
    }
    return figures;
  }

  Figures total(const std::vector<std::uint32_t>& columns, const ConfigurationSummary& summary, bool ceiling) const {
    const Sequence& sequence = sums_.sequence;
    Figures figures = part(0, sequence.n_layers, summary.kv_heads, columns, ceiling);
    const double n_columns = static_cast<double>(columns.size());
    const double n_heads = static_cast<double>(sequence.n_kv_heads) * sequence.n_layers;
    const double n_rows = static_cast<double>(sequence.n_q_heads) * sequence.n_layers;
    const std::uint32_t first = sequence.n_steps() - summary.n_counted;
    std::vector<float> mass, error, recall;
    double peak = 0, paged_peak = 0;
    for (std::uint32_t s = first; s < sequence.n_steps(); ++s) {
      double step_mass = 0, step_error = 0, step_recall = 0, resident = 0, paged = 0;
      for (const std::uint32_t column : columns) {
        const std::size_t at = std::size_t{s} * sums_.n_columns + column;
        step_mass += sums_.step_mass[at];
        if (sums_.metrics.error) step_error += sums_.step_error[at];
        if (sums_.metrics.recall) step_recall += sums_.step_recall[at];
        resident += static_cast<double>(sums_.step_resident[at]);
        paged += static_cast<double>(sums_.step_paged[at]);
      }
      mass.push_back(static_cast<float>(step_mass / (n_rows * n_columns)));
      if (sums_.metrics.error) {
        error.push_back(static_cast<float>(root_ratio(step_error, sums_.step_output[s] * n_columns)));
      }
      if (sums_.metrics.recall) recall.push_back(static_cast<float>(step_recall / (n_rows * n_columns)));
      peak = std::max(peak, resident / (n_heads * n_columns));
      paged_peak = std::max(paged_peak, paged / (n_heads * n_columns));
    }
    if (summary.n_counted > 0) {
      figures.realised_peak = peak;
      figures.paged_peak = paged_peak;
    }
    const WorstSteps worst = worst_steps(mass, first, Worst::lowest);
    figures.worst_decile = worst.decile;
    figures.worst_step = worst.value;
    if (worst.step >= 0) figures.worst_step_at = static_cast<double>(worst.step);
    const WorstSteps worst_error = worst_steps(error, first, Worst::highest);
    figures.output_error_worst_decile = worst_error.decile;
    figures.output_error_worst_step = worst_error.value;
    const WorstSteps worst_recall = worst_steps(recall, first, Worst::lowest);
    figures.recall_worst_decile = worst_recall.decile;
    figures.recall_worst_step = worst_recall.value;
    set_bytes(entry_bytes_ * n_heads, figures);
    return figures;
  }

  const MetricSums& sums_;
  const Sweep& sweep_;
  double entry_bytes_;
};

}  // namespace

std::vector<std::uint32_t> columns_of(const Sweep& sweep, std::uint32_t configuration) {
  if (sweep.configurations[configuration].kind != ConfigurationKind::ceiling) {
    return sweep.configurations[configuration].simulations;
  }
  const auto found = std::find(sweep.ceilings.begin(), sweep.ceilings.end(), configuration);
  return {sweep.n_simulations() + static_cast<std::uint32_t>(found - sweep.ceilings.begin())};
}

std::vector<ConfigurationSummary> summarise(const MetricSums& sums, const Sweep& sweep, std::uint32_t value_bytes) {
  const Summariser summariser(sums, sweep, value_bytes);
  std::vector<ConfigurationSummary> all;
  for (std::uint32_t c = 0; c < sweep.configurations.size(); ++c) all.push_back(summariser.configuration(c));
  set_places(sweep, all);
  return all;
}

}  // namespace kvwave::replay
