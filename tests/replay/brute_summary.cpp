#include "tests/replay/brute_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "tests/replay/brute_force.h"

namespace kvwave::replay {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// One row of one query head: m, |o_S - o|^2, |o|^2, (2 (1 - m) max |v|)^2, recall.
struct RowFigures {
  double mass = 0, error = 0, output = 0, bound = 0, recall = 0;
};

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  std::size_t n = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : kNan;
}

// Mean of the worst tenth, rounded up, and the worst.
std::pair<double, double> worst_of(std::vector<double> values, bool highest) {
  if (values.empty()) return {kNan, kNan};
  std::sort(values.begin(), values.end());
  if (highest) std::reverse(values.begin(), values.end());
  const std::size_t n = (values.size() + 9) / 10;
  return {mean_of({values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n)}), values.front()};
}

double gini_of(const std::vector<double>& x) {
  double differences = 0, sum = 0;
  for (const double a : x) {
    sum += a;
    for (const double b : x) differences += std::abs(a - b);
  }
  return sum > 0 ? differences / (2 * static_cast<double>(x.size()) * sum) : kNan;
}

double paged(double entries, double page) {
  return std::ceil(entries / page) * page;
}

class Summary {
 public:
  Summary(const BruteForce& rows, const SyntheticTrace& trace, const BruteColumn& column)
      : rows_(rows), trace_(trace), column_(column), shape_(trace.info.shape) {
    n_prompt_ = trace.info.n_prompt;
    n_steps_ = trace.n_positions - n_prompt_;
    first_ = column.budget > n_prompt_ ? std::min(n_steps_, column.budget - n_prompt_) : 0;
    for (std::uint32_t l = 0; l < shape_.n_layers; ++l) {
      for (std::uint32_t h = 0; h < shape_.n_q_heads; ++h) {
        for (std::uint32_t s = 0; s < n_steps_; ++s) figures_.push_back(row_figures(l, h, s));
      }
    }
  }

  BruteSummary summary() {
    BruteSummary out;
    const std::uint32_t layers = shape_.n_layers, kv_heads = shape_.n_kv_heads;
    for (std::uint32_t l = 0; l < layers; ++l) {
      for (std::uint32_t h = 0; h < kv_heads; ++h) out.kv_heads.push_back(kv_head(l, h));
      out.layers.push_back(part(l, l + 1, {out.kv_heads.end() - kv_heads, out.kv_heads.end()}));
    }
    out.total = part(0, layers, out.kv_heads);
    const StepValues steps = step_values(0, layers, 0, shape_.n_q_heads, 0);
    out.per_step_mass = steps.mass;
    out.per_step_error = steps.error;
    out.per_step_recall = steps.recall;
    put_worst(step_values(0, layers, 0, shape_.n_q_heads, first_), out.total);
    put_memory(0, layers, 0, kv_heads, out.total);
    return out;
  }

 private:
  struct StepValues {
    std::vector<double> mass, error, recall;
  };

  std::uint32_t group() const { return shape_.n_q_heads / shape_.n_kv_heads; }
  const RowFigures& at(std::uint32_t l, std::uint32_t h, std::uint32_t s) const {
    return figures_[(std::size_t{l} * shape_.n_q_heads + h) * n_steps_ + s];
  }

  RowFigures row_figures(std::uint32_t l, std::uint32_t h, std::uint32_t s) const {
    const std::vector<double>& p = rows_.row(l, h, s);
    const std::vector<bool> sees = column_.visible(l, h, s);
    const std::uint32_t d = shape_.head_dim;
    RowFigures row;
    std::vector<double> o(d, 0.0), o_s(d, 0.0);
    double longest = 0;
    for (std::uint32_t i = 0; i < p.size(); ++i) {
      const auto v = trace_.v_at(i, l, h / group());
      double square = 0;
      for (std::uint32_t c = 0; c < d; ++c) {
        square += double{v[c]} * v[c];
        o[c] += p[i] * v[c];
        if (sees[i]) o_s[c] += p[i] * v[c];
      }
      longest = std::max(longest, std::sqrt(square));
      if (sees[i]) row.mass += p[i];
    }
    for (std::uint32_t c = 0; c < d; ++c) {
      const double restricted = row.mass > 0 ? o_s[c] / row.mass : 0;
      row.error += (restricted - o[c]) * (restricted - o[c]);
      row.output += o[c] * o[c];
    }
    row.bound = std::pow(2 * (1 - row.mass) * longest, 2);
    const std::size_t size = std::min<std::size_t>(32, p.size());
    const std::vector<bool> top = top_of_row(p, static_cast<std::uint32_t>(size));
    for (std::size_t i = 0; i < p.size(); ++i) row.recall += top[i] && sees[i] ? 1.0 / static_cast<double>(size) : 0.0;
    return row;
  }

  // Per step from `from` on, over the given layers and query heads.
  StepValues step_values(std::uint32_t l0, std::uint32_t l1, std::uint32_t h0, std::uint32_t h1,
                         std::uint32_t from) const {
    StepValues values;
    for (std::uint32_t s = from; s < n_steps_; ++s) {
      double mass = 0, error = 0, output = 0, recall = 0, n = 0;
      for (std::uint32_t l = l0; l < l1; ++l) {
        for (std::uint32_t h = h0; h < h1; ++h, ++n) {
          mass += at(l, h, s).mass;
          error += at(l, h, s).error;
          output += at(l, h, s).output;
          recall += at(l, h, s).recall;
        }
      }
      values.mass.push_back(mass / n);
      values.error.push_back(std::sqrt(error / output));
      values.recall.push_back(recall / n);
    }
    return values;
  }

  static void put_worst(const StepValues& steps, NamedValues& out) {
    std::tie(out["retained_mass_worst_decile"], out["retained_mass_worst_step"]) = worst_of(steps.mass, false);
    std::tie(out["output_error_worst_decile"], out["output_error_worst_step"]) = worst_of(steps.error, true);
    std::tie(out["recall_32_worst_decile"], out["recall_32_worst_step"]) = worst_of(steps.recall, false);
  }

  void put_rows(std::uint32_t l0, std::uint32_t l1, std::uint32_t h0, std::uint32_t h1, NamedValues& out) const {
    double mass = 0, error = 0, output = 0, bound = 0, recall = 0, n = 0;
    for (std::uint32_t l = l0; l < l1; ++l) {
      for (std::uint32_t h = h0; h < h1; ++h) {
        for (std::uint32_t s = first_; s < n_steps_; ++s, ++n) {
          mass += at(l, h, s).mass;
          error += at(l, h, s).error;
          output += at(l, h, s).output;
          bound += at(l, h, s).bound;
          recall += at(l, h, s).recall;
        }
      }
    }
    out["retained_mass"] = out["retained_mass_lo"] = out["retained_mass_hi"] = n > 0 ? mass / n : kNan;
    out["output_error"] = n > 0 ? std::sqrt(error / output) : kNan;
    out["output_error_bound"] = n > 0 ? std::sqrt(bound / output) : kNan;
    out["recall_32"] = n > 0 ? recall / n : kNan;
  }

  // Entries of the given KV heads together, per KV head.
  void put_memory(std::uint32_t l0, std::uint32_t l1, std::uint32_t h0, std::uint32_t h1, NamedValues& out) const {
    const double heads = double{1} * (l1 - l0) * (h1 - h0);
    double peak = kNan, paged_peak = kNan;
    for (std::uint32_t s = first_; s < n_steps_; ++s) {
      double held = 0, in_pages = 0;
      for (std::uint32_t l = l0; l < l1; ++l) {
        for (std::uint32_t h = h0; h < h1; ++h) {
          held += column_.held(l, h, s);
          in_pages += paged(column_.held(l, h, s), column_.page);
        }
      }
      peak = std::fmax(peak, held / heads);
      paged_peak = std::fmax(paged_peak, in_pages / heads);
    }
    out["realised_peak"] = peak;
    out["paged_peak"] = paged_peak;
    const double bytes = 2.0 * shape_.head_dim * column_.value_bytes * heads;
    out["bytes_mean"] = out["paged_mean"] * bytes;
    out["bytes_steady"] = out["paged_steady"] * bytes;
    out["bytes_peak"] = paged_peak * bytes;
    out["bytes_read"] = out["realised_mean"] * bytes;
  }

  void put_drops(std::uint32_t l0, std::uint32_t l1, std::uint32_t h0, std::uint32_t h1, NamedValues& out) const {
    double n_drops = 0, below = 0, steps = 0;
    for (std::uint32_t l = l0; l < l1; ++l) {
      for (std::uint32_t h = h0; h < h1; ++h) {
        const StepValues values = step_values(l, l + 1, h * group(), (h + 1) * group(), first_);
        for (std::size_t i = 0; i < values.mass.size(); ++i, ++steps) {
          if (values.mass[i] >= 0.9) continue;
          ++below;
          if (i == 0 || values.mass[i - 1] >= 0.9) ++n_drops;
        }
      }
    }
    const double heads = double{1} * (l1 - l0) * (h1 - h0);
    out["drops"] = steps > 0 ? n_drops / heads : kNan;
    out["below_share"] = steps > 0 ? below / steps : kNan;
    out["time_to_recover"] = n_drops > 0 ? below / n_drops : kNan;
  }

  // Sets of what is held while the steps pass: before an eviction and after it.
  void put_turnover(std::uint32_t l, std::uint32_t h, NamedValues& out) const {
    std::vector<double> churn, jaccard;
    std::vector<bool> left_before;
    for (std::uint32_t s = 0; s < n_steps_; ++s) {
      const std::uint32_t n = n_prompt_ + s;  // positions that were there before the step's own
      std::vector<bool> before(n, true), left = column_.visible(l, h * group(), s);
      if (s > 0) before = column_.visible(l, h * group(), s - 1);
      left.resize(n);
      const auto held = std::count(before.begin(), before.end(), true),
                 stay = std::count(left.begin(), left.end(), true);
      if (stay == held) continue;
      churn.push_back(static_cast<double>(held - stay) / static_cast<double>(held));
      if (!left_before.empty()) {
        left_before.resize(n, false);
        double both = 0, either = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
          both += left[i] && left_before[i] ? 1 : 0;
          either += left[i] || left_before[i] ? 1 : 0;
        }
        jaccard.push_back(both / either);
      }
      left_before = left;
    }
    out["churn"] = mean_of(churn);
    out["jaccard"] = mean_of(jaccard);
  }

  void put_needed(std::uint32_t l, std::uint32_t h, NamedValues& out) const {
    double n = 0, first_step = kNan;
    for (std::uint32_t i = 0; i < n_prompt_ + n_steps_; ++i) {
      bool needed = false;
      for (std::uint32_t s = i < n_prompt_ ? 0 : i - n_prompt_; s < n_steps_; ++s) {
        if (column_.visible(l, h * group(), s)[i]) continue;
        for (std::uint32_t g = 0; g < group(); ++g) {
          if (rows_.row(l, h * group() + g, s)[i] <= 0.01) continue;
          needed = true;
          first_step = std::fmin(first_step, s);
        }
      }
      n += needed ? 1 : 0;
    }
    out["needed_after_eviction"] = n;
    out["needed_first_step"] = first_step;
  }

  NamedValues kv_head(std::uint32_t l, std::uint32_t h) const {
    NamedValues out;
    put_rows(l, l + 1, h * group(), (h + 1) * group(), out);
    const StepValues steps = step_values(l, l + 1, h * group(), (h + 1) * group(), first_);
    put_worst(steps, out);
    out["retained_mass_worst_step_at"] =
        steps.mass.empty() ? kNan
                           : static_cast<double>(first_ + (std::min_element(steps.mass.begin(), steps.mass.end()) -
                                                           steps.mass.begin()));
    put_drops(l, l + 1, h, h + 1, out);
    std::vector<double> requested, held, in_pages, left, left_in_pages;
    for (std::uint32_t s = first_; s < n_steps_; ++s) {
      const double n = column_.held(l, h, s), before = s > 0 ? column_.held(l, h, s - 1) : n_prompt_;
      requested.push_back(column_.requested(l, h, s));
      held.push_back(n);
      in_pages.push_back(paged(n, column_.page));
      if (n >= before + 1) continue;
      left.push_back(n - 1);
      left_in_pages.push_back(paged(n - 1, column_.page));
    }
    out["requested"] = mean_of(requested);
    out["realised_mean"] = mean_of(held);
    out["realised_steady"] = mean_of(left);
    out["paged_mean"] = mean_of(in_pages);
    out["paged_steady"] = mean_of(left_in_pages);
    put_memory(l, l + 1, h, h + 1, out);
    if (column_.ceiling) return out;
    put_turnover(l, h, out);
    put_needed(l, h, out);
    return out;
  }

  // Layers [l0, l1) and the figures of their KV heads.
  NamedValues part(std::uint32_t l0, std::uint32_t l1, const std::vector<NamedValues>& heads) const {
    NamedValues out;
    put_rows(l0, l1, 0, shape_.n_q_heads, out);
    put_drops(l0, l1, 0, shape_.n_kv_heads, out);
    for (const char* const name : {"requested", "realised_mean", "realised_steady", "paged_mean", "paged_steady",
                                   "needed_after_eviction", "churn", "jaccard"}) {
      std::vector<double> values;
      for (const NamedValues& head : heads) {
        if (head.contains(name)) values.push_back(head.at(name));
      }
      out[name] = mean_of(values);
    }
    if (column_.ceiling) return out;
    std::vector<double> requested;
    out["needed_first_step"] = kNan;
    for (const NamedValues& head : heads) {
      requested.push_back(head.at("requested"));
      out["needed_first_step"] = std::fmin(out["needed_first_step"], head.at("needed_first_step"));
    }
    out["budget_gini"] = gini_of(requested);
    return out;
  }

  const BruteForce& rows_;
  const SyntheticTrace& trace_;
  const BruteColumn& column_;
  traces::ModelShape shape_;
  std::uint32_t n_prompt_ = 0, n_steps_ = 0, first_ = 0;
  std::vector<RowFigures> figures_;  // [layer][q_head][step]
};

}  // namespace

BruteForce::BruteForce(const SyntheticTrace& trace) : trace_(trace), n_steps_(trace.n_positions - trace.info.n_prompt) {
  for (std::uint32_t l = 0; l < trace.info.shape.n_layers; ++l) {
    for (std::uint32_t h = 0; h < trace.info.shape.n_q_heads; ++h) {
      for (std::uint32_t s = 0; s < n_steps_; ++s) rows_.push_back(exact_row(trace, l, h, trace.info.n_prompt + s));
    }
  }
}

BruteSummary BruteForce::summary(const BruteColumn& column) const {
  return Summary(*this, trace_, column).summary();
}

}  // namespace kvwave::replay
