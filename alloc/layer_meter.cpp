#include "alloc/layer_meter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace kvwave::alloc {
namespace {

constexpr double kEntropyGuard = 1e-10;  // as the code of CAKE

}  // namespace

std::uint32_t row_demand(std::span<const float> row, double rho, std::vector<float>& scratch) {
  scratch.assign(row.begin(), row.end());
  std::sort(scratch.begin(), scratch.end(), std::greater<>());
  const double wanted = rho * std::accumulate(scratch.begin(), scratch.end(), 0.0);
  if (!(wanted > 0)) return 0;
  double sum = 0;
  for (std::uint32_t n = 0; n < scratch.size(); ++n) {
    sum += scratch[n];
    if (sum >= wanted) return n + 1;
  }
  return static_cast<std::uint32_t>(scratch.size());
}

std::uint32_t LayerMeter::n_queries(const ReplanNeeds& needs, std::uint32_t window) {
  if (needs.dispersion) return window;
  return needs.demand_rho > 0 ? 1 : 0;
}

void LayerMeter::add(std::span<const float> prob, std::uint32_t n_queries, std::uint32_t n_heads,
                     std::size_t n_residents, std::size_t n_candidates) {
  const auto row = [&](std::uint32_t query, std::uint32_t head) {
    return prob.subspan((std::size_t{query} * n_heads + head) * n_residents, n_residents);
  };
  if (needs_.demand_rho > 0 && n_queries > 0) {
    for (std::uint32_t g = 0; g < n_heads; ++g)
      demand_ += row_demand(row(n_queries - 1, g), needs_.demand_rho, sorted_);
    n_rows_ += n_heads;
  }
  if (!needs_.dispersion) return;
  for (std::uint32_t g = 0; g < n_heads; ++g) {
    for (std::size_t j = 0; j < n_candidates; ++j) {
      double mean = 0;
      for (std::uint32_t i = 0; i < n_queries; ++i) {
        const double p = row(i, g)[j];
        entropy_ -= p * std::log(p + kEntropyGuard);
        mean += p / n_queries;
      }
      double squares = 0;
      for (std::uint32_t i = 0; i < n_queries; ++i) squares += (row(i, g)[j] - mean) * (row(i, g)[j] - mean);
      if (n_queries > 1) variance_ += squares / (n_queries - 1);
    }
  }
}

void LayerMeter::finish(LayerState& state) const {
  state.demand = n_rows_ > 0 ? demand_ / static_cast<double>(n_rows_) : 0.0;
  state.entropy = entropy_;
  state.variance = variance_;
}

}  // namespace kvwave::alloc
