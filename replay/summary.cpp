#include "replay/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvwave::replay {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Mean of what is there; NaN without any.
class Mean {
 public:
  void add(double value) {
    if (std::isnan(value)) return;
    sum_ += value;
    ++n_;
  }
  double value() const { return n_ > 0 ? sum_ / n_ : kNan; }

 private:
  double sum_ = 0;
  double n_ = 0;
};

double root_ratio(double error, double output) {
  return output > 0 ? std::sqrt(error / output) : kNan;
}

class Summariser {
 public:
  Summariser(const MetricSums& sums, const Sweep& sweep, std::uint32_t value_bytes)
      : sums_(sums), sweep_(sweep), entry_bytes_(2.0 * sums.sequence.head_dim * value_bytes) {}

  ConfigurationSummary configuration(std::uint32_t index) const {
    const std::vector<std::uint32_t> columns = columns_of(sweep_, index);
    const bool ceiling = sweep_.configurations[index].kind == ConfigurationKind::ceiling;
    ConfigurationSummary summary;
    summary.n_counted = sums_.n_counted(columns.front());
    for (std::uint32_t layer = 0; layer < sums_.sequence.n_layers; ++layer) {
      for (std::uint32_t h = 0; h < sums_.sequence.n_kv_heads; ++h) {
        summary.kv_heads.push_back(kv_head(layer, h, columns, ceiling));
      }
    }
    summary.total = total(columns, summary);
    return summary;
  }

 private:
  // Sums over the query heads [first, last) of a layer and over the columns.
  struct Pool {
    double mass = 0, high = 0, recall = 0, error = 0, bound = 0, output = 0;
    double n_rows = 0;
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
    const bool any = pool.n_rows > 0;
    figures.retained_mass = any ? pool.mass / pool.n_rows : kNan;
    figures.retained_mass_hi = any ? pool.high / pool.n_rows : kNan;
    figures.recall = any && sums_.metrics.recall ? pool.recall / pool.n_rows : kNan;
    figures.output_error = any && sums_.metrics.error ? root_ratio(pool.error, pool.output) : kNan;
    figures.output_error_bound = any && sums_.metrics.error ? root_ratio(pool.bound, pool.output) : kNan;
  }

  Figures kv_head(std::uint32_t layer, std::uint32_t h, const std::vector<std::uint32_t>& columns, bool ceiling) const {
    const std::uint32_t group = sums_.sequence.group();
    Figures figures;
    Pool pool;
    pool_heads(layer, h * group, (h + 1) * group, columns, pool);
    put(pool, figures);
    Mean requested, mean, peak, worst, needed, churn, jaccard;
    for (const std::uint32_t column : columns) {
      const HeadOutcome& out =
          sums_.outcome[(std::size_t{layer} * sums_.sequence.n_kv_heads + h) * sums_.n_columns + column];
      requested.add(out.requested);
      mean.add(out.realised_mean);
      peak.add(sums_.n_counted(column) > 0 ? out.realised_peak : kNan);
      worst.add(out.worst_decile);
      needed.add(out.needed);
      churn.add(out.churn);
      jaccard.add(out.jaccard);
    }
    figures.requested = requested.value();
    figures.realised_mean = mean.value();
    figures.realised_peak = peak.value();
    figures.bytes_mean = figures.realised_mean * entry_bytes_;
    figures.bytes_peak = figures.realised_peak * entry_bytes_;
    figures.worst_decile = worst.value();
    // The ceiling evicts nothing: it picks afresh for every row.
    figures.needed_after_eviction = sums_.metrics.recall && !ceiling ? needed.value() : kNan;
    figures.churn = ceiling ? kNan : churn.value();
    figures.jaccard = ceiling ? kNan : jaccard.value();
    return figures;
  }

  Figures total(const std::vector<std::uint32_t>& columns, const ConfigurationSummary& summary) const {
    const Sequence& sequence = sums_.sequence;
    Figures figures;
    Pool pool;
    for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
      pool_heads(layer, 0, sequence.n_q_heads, columns, pool);
    }
    put(pool, figures);
    Mean requested, mean, needed, churn, jaccard;
    for (const Figures& head : summary.kv_heads) {
      requested.add(head.requested);
      mean.add(head.realised_mean);
      needed.add(head.needed_after_eviction);
      churn.add(head.churn);
      jaccard.add(head.jaccard);
    }
    figures.requested = requested.value();
    figures.realised_mean = mean.value();
    figures.needed_after_eviction = needed.value();
    figures.churn = churn.value();
    figures.jaccard = jaccard.value();

    const double n_columns = static_cast<double>(columns.size());
    const double n_heads = static_cast<double>(sequence.n_kv_heads) * sequence.n_layers;
    const double n_rows = static_cast<double>(sequence.n_q_heads) * sequence.n_layers;
    std::vector<float> mass;
    figures.realised_peak = summary.n_counted > 0 ? 0 : kNan;
    for (std::uint32_t s = sequence.n_steps() - summary.n_counted; s < sequence.n_steps(); ++s) {
      double step_mass = 0, resident = 0;
      for (const std::uint32_t column : columns) {
        step_mass += sums_.step_mass[std::size_t{s} * sums_.n_columns + column];
        resident += static_cast<double>(sums_.step_resident[std::size_t{s} * sums_.n_columns + column]);
      }
      mass.push_back(static_cast<float>(step_mass / (n_rows * n_columns)));
      figures.realised_peak = std::max(figures.realised_peak, resident / (n_heads * n_columns));
    }
    figures.worst_decile = lowest_decile(std::move(mass));
    figures.bytes_mean = figures.realised_mean * entry_bytes_ * n_heads;
    figures.bytes_peak = figures.realised_peak * entry_bytes_ * n_heads;
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
  return all;
}

}  // namespace kvwave::replay
