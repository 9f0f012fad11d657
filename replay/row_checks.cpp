#include "replay/row_checks.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace kvwave::replay {
namespace {

constexpr double kFloatStep = 0x1p-23;       // relative spacing of fp32
constexpr double kSmallestFloat = 0x1p-126;  // below, fp32 may flush to zero
constexpr double kSumSlack = 1e-6;           // fp32 statistics of rows that sum to 1 within rounding

// What rounding toward zero to the stored type takes away at most.
double truncation(traces::FloatType type, double prob) {
  return type == traces::FloatType::f16 ? 0x1p-10 * prob + 0x1p-24 : kFloatStep * prob + 0x1p-149;
}

// Sums of the largest values of a row, for counts that come in any order. A falling count looks only at what the one
// before it selected, which makes the usual case (N(rho) for falling rho) linear in the row.
class LargestSums {
 public:
  explicit LargestSums(std::span<double> values) : values_(values), selected_(values.size()) {}

  struct Result {
    double sum = 0;       ///< of the `count` largest
    double smallest = 0;  ///< of those; 0 for none
  };
  Result of(std::size_t count) {
    if (count == 0) return {};
    const std::span<double> range = values_.first(count <= selected_ ? selected_ : values_.size());
    const auto last = range.begin() + static_cast<std::ptrdiff_t>(count) - 1;
    std::nth_element(range.begin(), last, range.end(), std::greater<>());
    selected_ = count;
    return {std::accumulate(range.begin(), last + 1, 0.0), *last};
  }

 private:
  std::span<double> values_;
  std::size_t selected_;
};

}  // namespace

std::string_view describe(RowCheck check) {
  constexpr std::array<std::string_view, kRowChecks> kNames = {
      "attention prob = softmax(q.k)", "stored set covers 1 - epsilon", "residual = 1 - stored mass",
      "demand N(rho) of softmax(q.k)", "entropy of softmax(q.k)",       "sink mass of softmax(q.k)",
      "recent mass of softmax(q.k)",   "max prob of softmax(q.k)",      "stats within stored rows",
  };
  return kNames[static_cast<std::size_t>(check)];
}

void check_attention(const traces::TraceInfo& info, const ExactRow& exact, const traces::AttentionRow& stored,
                     Place place, RowTallies& tallies) {
  double mass = 0, smallest = 1;
  Tally& prob_tally = tallies[RowCheck::attention_prob];
  for (std::size_t i = 0; i < stored.position.size(); ++i) {
    const double prob = exact.prob[stored.position[i]], value = double{stored.prob[i]};
    const double summation = exact.tolerance * prob + kSmallestFloat;
    const double allowed = value < prob ? summation + truncation(info.attention_dtype, prob) : summation;
    prob_tally.add(std::abs(value - prob), allowed, place);
    mass += prob;
    smallest = std::min(smallest, prob);
  }
  if (info.epsilon == 0) {
    const auto missing = static_cast<double>(exact.prob.size() - stored.position.size());
    tallies[RowCheck::covering_set].add(missing, 0, place);
    return;
  }
  const double target = 1 - info.epsilon;
  const double too_little = std::max(0.0, target - mass), too_much = std::max(0.0, mass - smallest - target);
  tallies[RowCheck::covering_set].add(std::max(too_little, too_much), exact.tolerance + kSumSlack, place);
}

void check_residual(const traces::AttentionRow& stored, Place place, RowTallies& tallies) {
  const double mass = std::accumulate(stored.prob.begin(), stored.prob.end(), 0.0);
  const double expected = std::max(0.0, 1 - mass);
  // Rounded up to fp32; recorders may sum in units of 2^-42, which leaves out up to one unit per entry.
  const double summation = 0x1p-42 * static_cast<double>(stored.prob.size()) + 1e-12;
  tallies[RowCheck::residual].add(std::abs(double{stored.residual} - expected), kFloatStep * expected + summation,
                                  place);
}

void check_stats(const traces::TraceInfo& info, const ExactRow& exact, const StoredStats& stats, Place place,
                 std::vector<double>& scratch, RowTallies& tallies) {
  const std::size_t n = exact.prob.size();
  const double allowed = exact.tolerance + kSumSlack;
  scratch.assign(exact.prob.begin(), exact.prob.end());
  LargestSums largest(scratch);
  for (std::size_t i = info.rho.size(); i-- > 0;) {
    const std::size_t demand = stats.demand[i];
    double off = 1;  // an impossible N
    if (demand >= 1 && demand <= n) {
      const auto [sum, smallest] = largest.of(demand);
      const double missing = demand == n ? 0.0 : info.rho[i] - sum, before = sum - smallest;
      off = std::max({0.0, missing, before - info.rho[i]});
    }
    tallies[RowCheck::demand].add(off, allowed, place);
  }

  double entropy = 0;
  for (const double p : exact.prob) entropy -= p > 0 ? p * std::log(p) : 0.0;
  tallies[RowCheck::entropy].add(std::abs(double{stats.entropy} - entropy), allowed * (1 + entropy), place);

  const auto begin = exact.prob.begin(), end = exact.prob.end();
  const auto sinks = static_cast<std::ptrdiff_t>(std::min<std::size_t>(n, traces::kStatSinks));
  const auto recent = static_cast<std::ptrdiff_t>(std::min<std::size_t>(n, traces::kStatRecent));
  const auto compare = [&](RowCheck check, double stored, double expected) {
    tallies[check].add(std::abs(stored - expected), exact.tolerance * expected + 2 * kFloatStep, place);
  };
  compare(RowCheck::sink_mass, stats.sink_mass, std::accumulate(begin, begin + sinks, 0.0));
  compare(RowCheck::recent_mass, stats.recent_mass, std::accumulate(end - recent, end, 0.0));
  compare(RowCheck::max_prob, stats.max_prob, *std::max_element(begin, end));
}

void check_stats_in_bounds(const traces::TraceInfo& info, const traces::AttentionRow& stored, const StoredStats& stats,
                           Place place, std::vector<double>& scratch, RowTallies& tallies) {
  Tally& tally = tallies[RowCheck::stats_in_bounds];
  const double residual = double{stored.residual};
  // How far `value` lies outside [low, high].
  const auto within = [&](double value, double low, double high) {
    tally.add(std::max({0.0, low - value, value - high}), kSumSlack, place);
  };
  double sinks = 0, recent = 0, largest = 0;
  const std::uint32_t n = place.position + 1;
  for (std::size_t i = 0; i < stored.position.size(); ++i) {
    const double prob = double{stored.prob[i]};
    if (stored.position[i] < traces::kStatSinks) sinks += prob;
    if (stored.position[i] + traces::kStatRecent >= n) recent += prob;
    largest = std::max(largest, prob);
  }
  within(stats.sink_mass, sinks, sinks + residual);
  within(stats.recent_mass, recent, recent + residual);
  within(stats.max_prob, largest, largest + truncation(info.attention_dtype, stats.max_prob));

  scratch.assign(stored.prob.begin(), stored.prob.end());
  LargestSums sums(scratch);
  for (std::size_t i = info.rho.size(); i-- > 0;) {
    const std::size_t demand = stats.demand[i];
    double off = 1;
    if (demand >= 1 && demand <= n) {
      // The demand - 1 largest hold less than rho, so what is stored of them does; the demand largest hold rho, so
      // what is stored of them and the residual do.
      const bool all_stored = demand <= scratch.size();
      const auto [sum, smallest] = sums.of(std::min(demand, scratch.size()));
      const double before = all_stored ? sum - smallest : sum;
      const double missing = all_stored ? info.rho[i] - sum - residual : 0.0;
      off = std::max({0.0, missing, before - info.rho[i]});
    }
    tally.add(off, kSumSlack, place);
  }
}

}  // namespace kvwave::replay
