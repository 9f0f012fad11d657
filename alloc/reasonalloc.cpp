// ReasonAlloc (arXiv 2606.11164): budget over layers from a calibrated Reasoning Wave, offline, and over the KV heads
// of a layer from pooled scores at every refresh, online. No official code exists; this follows the reconstruction of
// second-hand accounts in which every ambiguity is a parameter.
//
// Layers, once: budget = R(demand; gamma, lo * mean, hi * mean, T = model total), robust_operator.h.
// Heads, at each refresh, H KV heads with scores S over their candidates:
//   window=outside  T = layer budget - H * window, the window is added to every head afterwards
//   window=inside   T = layer budget
//   tau = T-th largest score of the whole layer; count_i = scores of head i that are >= tau (ties all count)
//   budget = R(count; beta, mu * T / H, none, T)
// If everything fits (residents for `inside`, candidates for `outside`), nothing is evicted: every head gets what it
// holds and the rest in equal parts.
// A head that holds less than its budget would waste memory: surplus=redistribute gives the excess to the others in
// proportion to their shares, surplus=leave does not.
// Every head keeps at least window + 1 entries, taken from the largest: the paper's floors alone can fall below that.
// Scores of different heads are compared although each head's softmax runs over its own residents, as the paper does.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "alloc/components.h"
#include "alloc/error.h"
#include "alloc/parameter.h"
#include "alloc/robust_operator.h"

namespace kvwave::alloc {
namespace {

OperatorForm operator_form(const Component& component) {
  return component.word("operator") == "waterfill" ? OperatorForm::waterfill : OperatorForm::literal;
}

struct LayerRule {
  double gamma, low, high;
  OperatorForm form;
};

LayerPlan plan_from_demand(const LayerRule& rule, const LayerPlanInput& input) {
  check_budget(input);
  if (input.demand.size() != input.n_layers) {
    throw MissingProfile(
        input.demand.empty()
            ? std::string("this allocator needs a demand profile of the model (kvwave calibrate)")
            : fmt::format("the profile has {} layers, the trace {}", input.demand.size(), input.n_layers));
  }
  if (!std::all_of(input.demand.begin(), input.demand.end(), [](double d) { return std::isfinite(d); })) {
    throw MissingProfile("the profile holds a demand that is not finite");
  }
  LayerPlan plan;
  plan.nominal = std::int64_t{input.budget} * input.n_layers * input.n_kv_heads;
  const auto total = static_cast<double>(plan.nominal);
  const double mean = total / input.n_layers;
  const RobustShares shares =
      robust_shares(input.demand, rule.gamma, rule.low * mean, rule.high * mean, total, rule.form);
  plan.budget.resize(input.n_layers);
  round_largest_remainder(shares.share, plan.nominal, plan.budget);
  const std::uint32_t raised = raise_to_floor(plan.budget, (std::int64_t{input.window} + 1) * input.n_kv_heads);
  plan.floors_hit = std::max(shares.below, raised);
  plan.caps_hit = shares.above;
  plan.realised = std::accumulate(plan.budget.begin(), plan.budget.end(), std::int64_t{0});
  return plan;
}

struct HeadRule {
  double beta, mu;
  OperatorForm form;
  bool window_inside, redistribute;
};

// How many of each head's scores are among the `total` largest of the layer (more when scores tie with the last one).
std::vector<double> counts_above_threshold(std::span<const std::span<const float>> scores, std::int64_t total) {
  std::vector<float> pool;
  for (const std::span<const float> head : scores) pool.insert(pool.end(), head.begin(), head.end());
  std::vector<double> counts;
  if (pool.empty()) return std::vector<double>(scores.size(), 0.0);
  const auto rank = std::min(static_cast<std::ptrdiff_t>(total), static_cast<std::ptrdiff_t>(pool.size())) - 1;
  std::nth_element(pool.begin(), pool.begin() + rank, pool.end(), std::greater<>());
  const float threshold = pool[static_cast<std::size_t>(rank)];
  for (const std::span<const float> head : scores) {
    counts.push_back(static_cast<double>(
        std::count_if(head.begin(), head.end(), [threshold](float score) { return score >= threshold; })));
  }
  return counts;
}

void budgets_from_scores(const HeadRule& rule, const HeadPlanInput& input, std::span<std::int32_t> budget) {
  const std::size_t n_heads = budget.size();
  check_layer_budget(input, n_heads);
  const auto added = static_cast<std::int32_t>(rule.window_inside ? 0 : input.window);
  const std::int64_t total = input.layer_budget - std::int64_t{added} * static_cast<std::int64_t>(n_heads);

  // What each head can use of `total`.
  std::vector<double> usable(n_heads);
  for (std::size_t h = 0; h < n_heads; ++h) {
    usable[h] = std::max(0.0, static_cast<double>(input.residents[h]) - static_cast<double>(added));
  }
  const double usable_total = std::accumulate(usable.begin(), usable.end(), 0.0);
  if (usable_total <= static_cast<double>(total)) {
    divide_evenly(total - static_cast<std::int64_t>(usable_total), budget);
    for (std::size_t h = 0; h < n_heads; ++h) budget[h] += static_cast<std::int32_t>(usable[h]);
  } else {
    const auto t = static_cast<double>(total);
    const std::vector<double> counts = counts_above_threshold(input.scores, total);
    std::vector<double> share =
        robust_shares(counts, rule.beta, rule.mu * t / static_cast<double>(n_heads), t, t, rule.form).share;
    if (rule.redistribute) share = water_fill(share, 0.0, usable, t);
    round_largest_remainder(share, total, budget);
  }
  for (std::int32_t& entries : budget) entries += added;
  raise_to_floor(budget, std::int64_t{input.window} + 1);
}

LayerRule layer_rule(const Component& component) {
  return {component.real("gamma"), component.real("lo"), component.real("hi"), operator_form(component)};
}

HeadRule head_rule(const Component& component) {
  return {component.real("beta"), component.real("mu"), operator_form(component), component.word("window") == "inside",
          component.word("surplus") == "redistribute"};
}

class ReasonAlloc final : public Allocator {
 public:
  explicit ReasonAlloc(const Component& component) : layers_(layer_rule(component)), heads_(head_rule(component)) {}
  bool needs_profile() const override { return true; }
  bool needs_scores() const override { return true; }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return plan_from_demand(layers_, input); }
  void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const override {
    budgets_from_scores(heads_, input, budget);
  }

 private:
  LayerRule layers_;
  HeadRule heads_;
};

class ReasonAllocLayer final : public Allocator {
 public:
  explicit ReasonAllocLayer(const Component& component) : layers_(layer_rule(component)) {}
  bool needs_profile() const override { return true; }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return plan_from_demand(layers_, input); }

 private:
  LayerRule layers_;
};

class ReasonAllocHead final : public Allocator {
 public:
  explicit ReasonAllocHead(const Component& component)
      : uniform_(uniform_entry().make(component)), heads_(head_rule(component)) {}
  bool needs_scores() const override { return true; }
  LayerPlan layer_plan(const LayerPlanInput& input) const override { return uniform_->layer_plan(input); }
  void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const override {
    budgets_from_scores(heads_, input, budget);
  }

 private:
  std::unique_ptr<Allocator> uniform_;
  HeadRule heads_;
};

template <class Kind>
std::unique_ptr<Allocator> make(const Component& component) {
  return std::make_unique<Kind>(component);
}

constexpr std::string_view kSource = "ReasonAlloc, arXiv 2606.11164 (no official code; reconstruction)";

std::vector<ParameterSpec> parameters(bool layers, bool heads) {
  std::vector<ParameterSpec> list;
  if (layers) {
    list.push_back(real_parameter("gamma", "0.5", 0, 4, "exponent on layer demand; 0 = uniform layers"));
    list.push_back(real_parameter("lo", "0.25", 0, 1, "lowest layer budget, times the mean"));
    list.push_back(real_parameter("hi", "2", 1, 1000, "highest layer budget, times the mean"));
  }
  if (heads) {
    list.push_back(real_parameter("beta", "0.5", 0, 4, "exponent on head counts; 0 = uniform heads"));
    list.push_back(real_parameter("mu", "0.25", 0, 1, "lowest head budget, times the mean"));
  }
  list.push_back(
      word_parameter("operator", {"literal", "waterfill"}, "one rescale after bounds, or a fill that keeps them"));
  if (heads) {
    list.push_back(
        word_parameter("window", {"outside", "inside"}, "share a layer's budget without or with the windows"));
    list.push_back(
        word_parameter("surplus", {"redistribute", "leave"}, "what a head cannot fill: to the others, or unused"));
  }
  return list;
}

}  // namespace

AllocatorEntry reasonalloc_entry() {
  return {{.name = "reasonalloc",
           .summary = "layers from a calibrated wave, KV heads from pooled scores at each refresh",
           .source = kSource,
           .parameters = parameters(true, true)},
          make<ReasonAlloc>};
}

AllocatorEntry reasonalloc_layer_entry() {
  return {{.name = "reasonalloc-layer",
           .summary = "the layer half alone: heads of a layer are equal",
           .source = kSource,
           .parameters = parameters(true, false)},
          make<ReasonAllocLayer>};
}

AllocatorEntry reasonalloc_head_entry() {
  return {{.name = "reasonalloc-head",
           .summary = "the head half alone: layers are equal",
           .source = kSource,
           .parameters = parameters(false, true)},
          make<ReasonAllocHead>};
}

}  // namespace kvwave::alloc
