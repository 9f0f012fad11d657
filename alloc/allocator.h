// An allocator says where budget goes: over layers once or at every refresh, over the KV heads of a layer once or at
// every refresh. Integers out, deterministic, no state of its own. Budgets count KV entries per (layer, kv_head),
// window included. For query-head caches read "query head" wherever this page says KV head.
//
// What replay does with one:
//   1. layer_plan() before the run. LayerPlan::head_budget, when filled, is final: no other call is made.
//   2. at each refresh, where anything could be dropped: replan() when replans_layers(), over all layers together,
//   3. then head_budgets() for each layer whose budget changed or whose scores matter (needs_scores()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "alloc/select_top.h"

namespace kvwave::alloc {

/// The budget of a KV head that never drops anything (DuoAttention's full heads).
inline constexpr std::int32_t kUnlimited = std::numeric_limits<std::int32_t>::max();

/// A value per layer and head from a file: gates, retrieval scores, shares to prune.
struct HeadTable {
  std::uint32_t n_planes = 1;               ///< alternatives in one file (LU-KV: one per ratio); 1 = a plain table
  std::uint32_t n_layers = 0, n_heads = 0;  ///< KV heads, or query heads (HeadKV's tables)
  std::vector<double> value;                ///< [n_planes, n_layers, n_heads], finite

  double at(std::size_t layer, std::size_t head, std::size_t plane = 0) const {
    return value[(plane * n_layers + layer) * n_heads + head];
  }
};

struct LayerPlanInput {
  std::uint32_t n_layers = 0, n_kv_heads = 0;
  std::uint32_t budget = 0;             ///< average entries per KV head; model total = budget * n_layers * n_kv_heads
  std::uint32_t window = 0;             ///< of the scorer
  std::span<const double> demand = {};  ///< [n_layers] Reasoning Wave, empty unless needs_profile()
  std::uint32_t n_prompt = 0;           ///< positions of the prompt; 0 = unknown
  std::uint32_t n_q_heads = 0;          ///< of the model, to match tables over query heads; 0 = n_kv_heads
  std::uint32_t n_model_kv_heads =
      0;  ///< where n_kv_heads counts query-head caches: the model's KV heads; 0 = n_kv_heads
  const HeadTable* table = nullptr;  ///< what the parameter `table` names; null unless needs_table()
};

struct LayerPlan {
  std::vector<std::int32_t> budget;  ///< [n_layers] entries of the whole layer (all its KV heads), unlimited ones out
  std::int64_t nominal = 0;          ///< budget * n_layers * n_kv_heads
  std::int64_t realised = 0;         ///< sum of budget
  std::uint32_t floors_hit = 0, caps_hit = 0;  ///< layers (heads, with head_budget) that a bound changed
  std::vector<std::int32_t> head_budget = {};  ///< [n_layers, n_kv_heads] fixed budgets, may hold kUnlimited; or empty
  std::uint32_t unlimited_heads = 0;           ///< items of head_budget that are kUnlimited
};

/// One layer at a refresh; spans have one item per KV head.
struct HeadPlanInput {
  std::int32_t layer_budget = 0;  ///< entries to share
  std::uint32_t window = 0;
  std::span<const std::span<const float>> scores = {};  ///< candidates' scores per KV head; empty unless needs_scores()
  std::span<const std::uint32_t> residents = {};        ///< resident count per KV head, window included
  std::span<const std::span<const float>> future_mass =
      {};  ///< of the same candidates; empty unless needs_future_mass()
  std::uint32_t layer = 0;
};

/// One layer as replan() sees it. Spans have one item per KV head; what ReplanNeeds leaves out is empty or 0.
struct LayerState {
  std::span<const std::uint32_t> residents = {};             ///< resident count, window included
  std::span<const std::span<const float>> scores = {};       ///< candidates' scores
  std::span<const std::span<const float>> future_mass = {};  ///< of the same candidates
  /// Mean over query heads of N(rho) of the step's own row, restricted to residents and renormalised: what a live
  /// system could measure.
  double demand = 0;
  /// CAKE, over the last `window` queries' softmax over all residents, candidates' columns only, not renormalised:
  /// -sum of p ln(p + 1e-10) over query heads, queries, candidates; and the sum over query heads and candidates of the
  /// unbiased variance over the queries.
  double entropy = 0, variance = 0;
};

struct ReplanNeeds {
  bool scores = false;       ///< LayerState::scores
  bool future_mass = false;  ///< LayerState::future_mass
  bool dispersion = false;   ///< LayerState::entropy and variance
  bool once = false;         ///< the first replan settles the layer budgets: no other follows
  double demand_rho = 0;     ///< LayerState::demand at this rho; 0 = not needed
};

/// All layers at a refresh.
struct LayerReplanInput {
  std::uint32_t n_kv_heads = 0;
  std::uint32_t budget = 0;                 ///< average entries per KV head, as in LayerPlanInput
  std::uint32_t window = 0;                 ///< of the scorer
  std::uint32_t n_seen = 0;                 ///< positions so far, what a full cache would hold per KV head
  std::uint32_t n_earlier = 0;              ///< replans of this run before this one
  std::span<const LayerState> layers = {};  ///< [n_layers]
  /// [n_layers] kept between the replans of one run for the allocator's own use; zeros at the first.
  std::span<double> memory;
};

/// For the log of one replan.
struct ReplanReport {
  std::int64_t unused = 0;  ///< entries granted above what a layer holds: nothing can fill them before new tokens come
  std::uint32_t floors_hit = 0, caps_hit = 0;  ///< layers that a lower or an upper bound changed
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  /// Whether layer_plan() reads LayerPlanInput::demand.
  virtual bool needs_profile() const { return false; }
  /// Whether layer_plan() reads LayerPlanInput::table (its parameter `table` then names the file).
  virtual bool needs_table() const { return false; }
  /// Whether head_budgets() reads scores; otherwise budgets of a layer are the same at every refresh.
  virtual bool needs_scores() const { return false; }
  /// Whether head_budgets() reads the future: clairvoyant, a reference.
  virtual bool needs_future_mass() const { return false; }
  /// Whether layer budgets move at refreshes: replay then runs the layers in lock-step and calls replan().
  virtual bool replans_layers() const { return false; }
  virtual ReplanNeeds replan_needs() const { return {}; }

  /// Every layer gets at least window + 1 entries per KV head. Throws BadBudget when `budget` cannot give that much (or
  /// the model total leaves 31 bits), MissingProfile when demand is needed and not there, BadTable when the table is
  /// missing or of another shape.
  virtual LayerPlan layer_plan(const LayerPlanInput& input) const = 0;
  /// layer_budget: [n_layers], on entry the budgets in force, on return the new ones: at least window + 1 entries per
  /// KV head each, their sum the model total. Called when the caches hold the model total or more, at refreshes of all
  /// layers together. Only for allocators that replans_layers().
  virtual ReplanReport replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const;
  /// budget[h] for each KV head: at least window + 1 each, and the sum is layer_budget, also where the heads hold too
  /// little to use it (`adakv:total=upstream` alone drifts by a few entries, as its code does). The default divides
  /// evenly, remainder to the lower index. Throws BadBudget when layer_budget is below (window + 1) per KV head.
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

/// Fills plan.budget and plan.realised from plan.head_budget, unlimited heads left out.
void sum_layers(const LayerPlanInput& input, LayerPlan& plan);

/// Sum over layers of what replan() granted above what the layer's heads hold.
std::int64_t unused_entries(const LayerReplanInput& input, std::span<const std::int32_t> layer_budget);

/// Throws BadBudget unless budget >= window + 1 and the model total fits 31 bits.
void check_budget(const LayerPlanInput& input);
/// Throws BadBudget unless layer_budget holds window + 1 entries per KV head.
void check_layer_budget(const HeadPlanInput& input, std::size_t n_kv_heads);

}  // namespace kvwave::alloc
