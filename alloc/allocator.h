// An allocator says where budget goes: over layers once, over the KV heads of a layer at each refresh. Integers out,
// deterministic. Budgets count KV entries per (layer, kv_head), window included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::alloc {

struct LayerPlanInput {
  std::uint32_t n_layers = 0, n_kv_heads = 0;
  std::uint32_t budget = 0;        ///< average entries per KV head; model total = budget * n_layers * n_kv_heads
  std::uint32_t window = 0;        ///< of the scorer
  std::span<const double> demand;  ///< [n_layers] Reasoning Wave, empty unless needs_profile()
};

struct LayerPlan {
  std::vector<std::int32_t> budget;            ///< [n_layers] entries of the whole layer (all its KV heads)
  std::int64_t nominal = 0;                    ///< budget * n_layers * n_kv_heads
  std::int64_t realised = 0;                   ///< sum of budget
  std::uint32_t floors_hit = 0, caps_hit = 0;  ///< layers that a lower or an upper bound changed
};

/// One layer at a refresh; spans have one item per KV head.
struct HeadPlanInput {
  std::int32_t layer_budget = 0;  ///< entries to share
  std::uint32_t window = 0;
  std::span<const std::span<const float>> scores;  ///< candidates' scores per KV head; empty unless needs_scores()
  std::span<const std::uint32_t> residents;        ///< resident count per KV head, window included
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  /// Whether layer_plan() reads LayerPlanInput::demand.
  virtual bool needs_profile() const { return false; }
  /// Whether head_budgets() reads scores; otherwise budgets are the same at every refresh.
  virtual bool needs_scores() const { return false; }

  /// Every layer gets at least window + 1 entries per KV head. Throws BadBudget when `budget` cannot give that much (or
  /// the model total leaves 31 bits), MissingProfile when demand is needed and not there.
  virtual LayerPlan layer_plan(const LayerPlanInput& input) const = 0;
  /// budget[h] for each KV head: at least window + 1 each, and the sum is layer_budget always, also where the heads
  /// hold too little to use it. The default divides evenly, remainder to the lower index. Throws BadBudget when
  /// layer_budget is below (window + 1) per KV head.
  virtual void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const;
};

/// Even division of `total` over `parts`, remainder to the lower index.
void divide_evenly(std::int64_t total, std::span<std::int32_t> parts);

/// Largest-remainder rounding of non-negative reals to integers with sum `total`; ties to the lower index.
void round_largest_remainder(std::span<const double> value, std::int64_t total, std::span<std::int32_t> out);

/// Raises every value below `floor` to it and takes the excess, one entry at a time, from the largest value (of equal
/// ones from the highest index, so that a falling sequence stays one). The sum is kept; it must be at least
/// floor * value.size(). Returns how many values were raised.
std::uint32_t raise_to_floor(std::span<std::int32_t> value, std::int64_t floor);

/// Throws BadBudget unless budget >= window + 1 and the model total fits 31 bits.
void check_budget(const LayerPlanInput& input);
/// Throws BadBudget unless layer_budget holds window + 1 entries per KV head.
void check_layer_budget(const HeadPlanInput& input, std::size_t n_kv_heads);

/// Slots of the `k` largest scores, best first, ties to the lower slot; k <= score.size().
std::vector<std::uint32_t> select_top(std::span<const float> score, std::uint32_t k);

}  // namespace kvwave::alloc
