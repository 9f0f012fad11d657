// Private to alloc: the integer step of CAKE's layer budgets, open to tests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::alloc {

/// Integers near `raw`, none above its cap, with sum `total` where the caps allow it (cake_layers.cpp). raw >= 0,
/// cap >= 0, equal sizes.
std::vector<std::int64_t> adjust_cake_budgets(std::span<const double> raw, std::span<const std::int64_t> cap,
                                              std::int64_t total);

}  // namespace kvwave::alloc
