#include "alloc/budget_export.h"

#include <algorithm>
#include <vector>

#include "alloc/robust_operator.h"

namespace kvwave::alloc {
namespace {

void append_layer(double value, std::uint32_t n_heads, HeadTable& table) {
  table.value.insert(table.value.end(), n_heads, value);
}

HeadTable empty_table(std::span<const double> budget, std::uint32_t n_heads, std::uint32_t n_planes = 1) {
  return {.n_planes = n_planes, .n_layers = static_cast<std::uint32_t>(budget.size()), .n_heads = n_heads, .value = {}};
}

}  // namespace

HeadTable gates_from_budgets(std::span<const double> budget, std::uint32_t n_kv_heads) {
  HeadTable table = empty_table(budget, n_kv_heads);
  const double largest = *std::max_element(budget.begin(), budget.end());
  for (const double entries : budget) append_layer(entries / largest, n_kv_heads, table);
  return table;
}

HeadTable scores_from_budgets(std::span<const double> budget, std::uint32_t window, std::uint32_t n_q_heads) {
  HeadTable table = empty_table(budget, n_q_heads);
  for (const double entries : budget) append_layer(std::max(0.0, entries - window), n_q_heads, table);
  return table;
}

HeadTable curves_from_budgets(std::span<const double> budget, std::uint32_t n_kv_heads) {
  HeadTable table = empty_table(budget, n_kv_heads, kLossPlanes);
  const std::vector<double> most(budget.size(), 1.0);
  for (int i = 1; i <= kLossPlanes; ++i) {
    const double kept = (1.0 - i / 100.0) * static_cast<double>(budget.size());
    for (const double part : water_fill(budget, 0.0, most, kept)) append_layer(1.0 - part, n_kv_heads, table);
  }
  return table;
}

}  // namespace kvwave::alloc
