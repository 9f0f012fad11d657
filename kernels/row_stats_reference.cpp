// What the row statistics mean, by full sort: slow, and the measure for the fast version.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/half.h"
#include "kernels/row_stats.h"
#include "kernels/row_stats_sums.h"

namespace kvwave::kernels {
namespace {

std::uint32_t count_invalid(std::span<const float> row) {
  return static_cast<std::uint32_t>(
      std::count_if(row.begin(), row.end(), [](float p) { return std::signbit(p) || !(p < 2.0F); }));
}

/// Positions by descending probability, equal ones ascending.
std::vector<std::uint32_t> ranking(std::span<const float> row) {
  std::vector<std::uint32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return row[a] > row[b]; });
  return order;
}

/// How many of the ranking reach `target`; all when they do not.
std::uint32_t count_to_reach(std::span<const float> row, std::span<const std::uint32_t> order, std::uint64_t target) {
  std::uint64_t sum = 0;
  for (std::uint32_t n = 0; n < order.size(); ++n) {
    sum += exact_units(row[order[n]]);
    if (sum >= target) return n + 1;
  }
  return static_cast<std::uint32_t>(order.size());
}

}  // namespace

std::uint32_t row_stats_reference(std::span<const float> attn_prob, std::span<const double> rho, std::uint32_t n_sink,
                                  std::uint32_t n_recent, std::span<std::uint32_t> demand, RowStats& stats) {
  if (const std::uint32_t invalid = count_invalid(attn_prob); invalid != 0) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    std::fill(demand.begin(), demand.end(), static_cast<std::uint32_t>(attn_prob.size()));
    stats = {kNan, kNan, kNan, kNan};
    return invalid;
  }
  const std::vector<std::uint32_t> order = ranking(attn_prob);
  for (std::size_t i = 0; i < rho.size(); ++i) demand[i] = count_to_reach(attn_prob, order, exact_target(rho[i]));
  double entropy = 0;
  for (const float p : attn_prob) {
    if (p > 0) entropy -= static_cast<double>(p) * std::log(static_cast<double>(p));
  }
  stats.entropy = static_cast<float>(entropy);
  stats.sink_mass = exact_mass(attn_prob.first(std::min<std::size_t>(n_sink, attn_prob.size())));
  stats.recent_mass = exact_mass(attn_prob.last(std::min<std::size_t>(n_recent, attn_prob.size())));
  stats.max_prob = *std::max_element(attn_prob.begin(), attn_prob.end());
  return 0;
}

float select_covering_reference(std::span<const float> attn_prob, double epsilon, ProbType type,
                                std::vector<std::uint32_t>& position, std::vector<std::byte>& prob) {
  if (count_invalid(attn_prob) != 0) return 1.0F;
  std::vector<std::uint32_t> kept = ranking(attn_prob);
  if (const std::uint64_t target = covering_target(epsilon, exact_sum(attn_prob)); epsilon > 0 && target > 0) {
    kept.resize(count_to_reach(attn_prob, kept, target));
  }
  std::sort(kept.begin(), kept.end());
  const auto append = [&prob](const auto& value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    prob.insert(prob.end(), bytes, bytes + sizeof(value));
  };
  std::vector<float> stored;
  for (const std::uint32_t at : kept) {
    position.push_back(at);
    if (type == ProbType::f16) {
      const std::uint16_t half = f32_to_f16_toward_zero(attn_prob[at]);
      append(half);
      stored.push_back(f16_to_f32(half));
    } else {
      append(attn_prob[at]);
      stored.push_back(attn_prob[at]);
    }
  }
  return exact_residual(stored);
}

}  // namespace kvwave::kernels
