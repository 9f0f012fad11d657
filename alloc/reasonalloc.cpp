// ReasonAlloc (arXiv 2606.11164): budget over layers from a calibrated Reasoning Wave, offline, and over the KV heads
// of a layer from pooled scores at every refresh, online. No official code exists; this follows the reconstruction of
// second-hand accounts in which every ambiguity is a parameter.
//
// Layers, once: budget = R(demand; gamma, lo * mean, hi * mean, T = model total), robust_operator.h.
// Heads, at each refresh, H KV heads with scores S over their candidates:
//   window=outside  T = layer budget - H * window, the window is added to every head afterwards
//   window=inside   T = layer budget
//   tau = T-th largest score of the whole layer; count_i = scores of head i that are >= tau (ties=all; ties=cut lets
//   those of lower heads count until T is reached)
//   budget = R(count; beta, mu * T / H, head_hi * T / H, T); no upper bound unless told
// If everything fits (residents for `inside`, candidates for `outside`), nothing is evicted: every head gets what it
// holds and the rest in equal parts.
// A head that holds less than its budget would waste memory: surplus=redistribute gives the excess to the others in
// proportion to their shares, surplus=leave does not.
// Every head keeps at least window + 1 entries, taken from the largest: the paper's floors alone can fall below that.
// Scores of different heads are compared although each head's softmax runs over its own residents, as the paper does.
//
// Where accounts of the paper are silent or disagree, and what to turn to see whether it matters:
//   the operator's last step, bounds on budgets or on raw demand    operator, clip
//   bounds and exponents; an upper bound for heads                  lo, hi, gamma; mu, beta; head_hi
//   windows inside or outside tau; ties at tau                      window; ties
//   budget that a head cannot fill                                  surplus
//   sign of redundancy in the score                                 rkv:sign
//   rho; demand over query heads                                    kvwave calibrate --rho, --over-heads
//   layers that follow the run, and their two traps                 reasonalloc-dynamic: rho, unbias, smooth, start
#include "alloc/components.h"
#include "alloc/reasonalloc_rules.h"

namespace kvwave::alloc {
namespace {

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

}  // namespace

AllocatorEntry reasonalloc_entry() {
  return {{.name = "reasonalloc",
           .summary = "layers from a calibrated wave, KV heads from pooled scores at each refresh",
           .source = kReasonAllocSource,
           .parameters = reasonalloc_parameters(true, true)},
          make<ReasonAlloc>};
}

AllocatorEntry reasonalloc_layer_entry() {
  return {{.name = "reasonalloc-layer",
           .summary = "the layer half alone: heads of a layer are equal",
           .source = kReasonAllocSource,
           .parameters = reasonalloc_parameters(true, false)},
          make<ReasonAllocLayer>};
}

AllocatorEntry reasonalloc_head_entry() {
  return {{.name = "reasonalloc-head",
           .summary = "the head half alone: layers are equal",
           .source = kReasonAllocSource,
           .parameters = reasonalloc_parameters(false, true)},
          make<ReasonAllocHead>};
}

}  // namespace kvwave::alloc
