// Layer budgets in the shape that other projects' tables have, so that a calibrated wave can be run elsewhere. Each
// form carries what it can: all heads of a layer are alike.
#pragma once

#include <cstdint>
#include <span>

#include "alloc/allocator.h"

namespace kvwave::alloc {

// `budget`: [n_layers] positive entries per KV head, window included.

/// DuoAttention's gates [n_layers, n_kv_heads]: budget over the largest one. Its quantile rule then makes the layers
/// with the largest budgets full and the others streaming.
HeadTable gates_from_budgets(std::span<const double> budget, std::uint32_t n_kv_heads);

/// HeadKV's scores [n_layers, n_q_heads]: candidates of the layer (budget less window, at least 0). At beta near 1 its
/// formula gives the budgets back.
HeadTable scores_from_budgets(std::span<const double> budget, std::uint32_t window, std::uint32_t n_q_heads);

/// Planes of LU-KV's curves: plane i is for a model that loses (i + 1) / 100 of its budget.
inline constexpr int kLossPlanes = 99;

/// LU-KV's curves [kLossPlanes, n_layers, n_kv_heads]: plane i holds the part that each head loses when the model loses
/// (i + 1) / 100: 1 - min(1, k * budget) with k such that the mean over layers is that.
HeadTable curves_from_budgets(std::span<const double> budget, std::uint32_t n_kv_heads);

}  // namespace kvwave::alloc
