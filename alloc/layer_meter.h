// What replan() is told about one layer's attention, gathered from the rows of its caches: fills LayerState::demand,
// entropy and variance as allocator.h defines them. Pure arithmetic in fp64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "alloc/allocator.h"

namespace kvwave::alloc {

class LayerMeter {
 public:
  /// Measures what `needs` asks for and nothing else.
  explicit LayerMeter(const ReplanNeeds& needs) : needs_(needs) {}

  /// How many of the newest queries' rows add() wants: the scorer's window for CAKE, one for the demand, 0 for nothing.
  static std::uint32_t n_queries(const ReplanNeeds& needs, std::uint32_t window);

  /// One cache. prob: [n_queries, n_heads, n_residents], oldest query first, softmax over the residents at or before
  /// the query (FULL scope), columns in slot order; the first n_candidates columns lie outside the window. Caches come
  /// in any order.
  void add(std::span<const float> prob, std::uint32_t n_queries, std::uint32_t n_heads, std::size_t n_residents,
           std::size_t n_candidates);

  /// Writes demand, entropy and variance; 0 where nothing was added or asked for.
  void finish(LayerState& state) const;

 private:
  ReplanNeeds needs_;
  double demand_ = 0, entropy_ = 0, variance_ = 0;
  std::uint64_t n_rows_ = 0;
  std::vector<float> sorted_;
};

/// N(rho) of one row: the smallest number of entries whose sum reaches rho times the row's sum; 0 for a row of zeros.
std::uint32_t row_demand(std::span<const float> row, double rho, std::vector<float>& scratch);

}  // namespace kvwave::alloc
