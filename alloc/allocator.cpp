#include "alloc/allocator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::alloc {

void Allocator::head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const {
  check_layer_budget(input, budget.size());
  divide_evenly(input.layer_budget, budget);
}

ReplanReport Allocator::replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const {
  return {.unused = unused_entries(input, layer_budget)};
}

void sum_layers(const LayerPlanInput& input, LayerPlan& plan) {
  plan.budget.assign(input.n_layers, 0);
  for (std::size_t i = 0; i < plan.head_budget.size(); ++i) {
    if (plan.head_budget[i] != kUnlimited) plan.budget[i / input.n_kv_heads] += plan.head_budget[i];
  }
  plan.realised = std::accumulate(plan.budget.begin(), plan.budget.end(), std::int64_t{0});
}

std::int64_t unused_entries(const LayerReplanInput& input, std::span<const std::int32_t> layer_budget) {
  std::int64_t unused = 0;
  for (std::size_t l = 0; l < input.layers.size(); ++l) {
    const std::span<const std::uint32_t> residents = input.layers[l].residents;
    const std::int64_t held = std::accumulate(residents.begin(), residents.end(), std::int64_t{0});
    unused += std::max<std::int64_t>(0, layer_budget[l] - held);
  }
  return unused;
}

void divide_evenly(std::int64_t total, std::span<std::int32_t> parts) {
  const auto n = static_cast<std::int64_t>(parts.size());
  for (std::int64_t i = 0; i < n; ++i) {
    parts[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(total / n + (i < total % n ? 1 : 0));
  }
}

void round_largest_remainder(std::span<const double> value, std::int64_t total, std::span<std::int32_t> out) {
  std::int64_t left = total;
  for (std::size_t i = 0; i < value.size(); ++i) {
    out[i] = static_cast<std::int32_t>(std::floor(value[i]));
    left -= out[i];
  }
  std::vector<std::size_t> order(value.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto remainder = [&](std::size_t i) { return value[i] - std::floor(value[i]); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder(a) > remainder(b); });
  // Reals that sum to `total` leave fewer units than values; the loops also settle what rounding errors leave.
  for (std::size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++out[order[i]];
  for (std::size_t i = order.size(); left < 0; ++left) {
    i = i == 0 ? order.size() - 1 : i - 1;
    --out[order[i]];
  }
}

std::uint32_t raise_to_floor(std::span<std::int32_t> value, std::int64_t floor) {
  std::int64_t excess = 0;
  std::uint32_t raised = 0;
  for (std::int32_t& v : value) {
    if (v >= floor) continue;
    excess += floor - v;
    v = static_cast<std::int32_t>(floor);
    ++raised;
  }
  if (excess == 0) return raised;
  // Taking units one by one from the largest cuts all values at a common level. Find the lowest level whose cut does
  // not exceed the excess; what is then missing comes one unit each from values at that level.
  const auto cut_at = [&](std::int64_t level) {
    std::int64_t sum = 0;
    for (const std::int32_t v : value) sum += std::max<std::int64_t>(0, v - level);
    return sum;
  };
  std::int64_t low = floor, high = *std::max_element(value.begin(), value.end());
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (cut_at(middle) <= excess) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  excess -= cut_at(low);
  for (std::size_t i = value.size(); i-- > 0;) {
    if (value[i] < low) continue;
    value[i] = static_cast<std::int32_t>(low);
    if (excess > 0) {
      --value[i];
      --excess;
    }
  }
  return raised;
}

void check_budget(const LayerPlanInput& input) {
  const std::uint64_t smallest = std::uint64_t{input.window} + 1;
  if (input.budget < smallest) {
    throw BadBudget(fmt::format("budget {} cannot hold a window of {}: the smallest that fits is {}", input.budget,
                                input.window, smallest));
  }
  const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
  const std::uint64_t heads = std::uint64_t{input.n_layers} * input.n_kv_heads;
  if (heads == 0 || input.budget > limit / heads) {
    throw BadBudget(fmt::format("budget {} for {} layers of {} KV heads is more than {} entries in all", input.budget,
                                input.n_layers, input.n_kv_heads, limit));
  }
}

void check_layer_budget(const HeadPlanInput& input, std::size_t n_kv_heads) {
  const std::int64_t smallest = (std::int64_t{input.window} + 1) * static_cast<std::int64_t>(n_kv_heads);
  if (n_kv_heads == 0 || input.layer_budget < smallest) {
    throw BadBudget(
        fmt::format("a layer budget of {} cannot give {} KV heads a window of {}: the smallest that fits is {}",
                    input.layer_budget, n_kv_heads, input.window, smallest));
  }
}

}  // namespace kvwave::alloc
