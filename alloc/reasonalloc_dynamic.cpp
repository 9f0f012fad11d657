// ReasonAlloc with layers that follow the run (arXiv 2606.11164, its appendix C; the equations were not available, this
// is a reconstruction): at each refresh the demand of every layer is measured on what is resident, the layers share the
// model's budget by it, and the KV heads share their layer's by pooled scores as in reasonalloc.cpp.
//
//   d_l    mean over query heads of N(rho) of the step's own row, restricted to residents and renormalised
//   d'_l   = d_l * (n / n_l)^unbias, n_l = entries the layer holds, n = their mean over layers
//   D_l    = smooth * D_l of the refresh before + (1 - smooth) * d'_l
//   budget = R(D; gamma, lo * mean, hi * mean, T = model total)
//
// Two traps, and what stands against them. What a layer shows is bounded by what it holds: a starved layer cannot ask
// for much, which would starve it further. unbias = 1 judges a layer by the part of its entries that it needs, 0 by
// their number. And a layer whose budget rises cannot get destroyed entries back, it fills up with new ones only:
// ReplanReport::unused tells how much was granted above what is held.
// Before the first refresh that drops anything, layers are equal (start=uniform) or follow a profile (start=profile).
#include <cmath>
#include <numeric>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/reasonalloc_rules.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

class ReasonAllocDynamic final : public Allocator {
 public:
  explicit ReasonAllocDynamic(const Component& component)
      : uniform_(uniform_entry().make(component)),
        layers_(layer_rule(component)),
        heads_(head_rule(component)),
        rho_(component.real("rho")),
        unbias_(component.real("unbias")),
        smooth_(component.real("smooth")),
        from_profile_(component.word("start") == "profile") {}

  bool needs_profile() const override { return from_profile_; }
  bool needs_scores() const override { return true; }
  bool replans_layers() const override { return true; }
  ReplanNeeds replan_needs() const override {
    ReplanNeeds needs;
    needs.demand_rho = rho_;
    return needs;
  }

  LayerPlan layer_plan(const LayerPlanInput& input) const override {
    return from_profile_ ? plan_from_demand(layers_, input) : uniform_->layer_plan(input);
  }

  ReplanReport replan(const LayerReplanInput& input, std::span<std::int32_t> layer_budget) const override {
    const std::size_t n_layers = input.layers.size();
    std::vector<double> held;
    for (const LayerState& layer : input.layers) {
      held.push_back(std::accumulate(layer.residents.begin(), layer.residents.end(), 0.0));
    }
    const double mean = std::accumulate(held.begin(), held.end(), 0.0) / static_cast<double>(n_layers);
    for (std::size_t l = 0; l < n_layers; ++l) {
      const double shown = held[l] > 0 ? input.layers[l].demand * std::pow(mean / held[l], unbias_) : 0.0;
      input.memory[l] = input.n_earlier == 0 ? shown : smooth_ * input.memory[l] + (1 - smooth_) * shown;
    }
    const std::int64_t total = std::int64_t{input.budget} * static_cast<std::int64_t>(n_layers) * input.n_kv_heads;
    const LayerShares shares = share_over_layers(layers_, input.memory, total, input.window, input.n_kv_heads);
    std::copy(shares.budget.begin(), shares.budget.end(), layer_budget.begin());
    return {
        .unused = unused_entries(input, layer_budget), .floors_hit = shares.floors_hit, .caps_hit = shares.caps_hit};
  }

  void head_budgets(const HeadPlanInput& input, std::span<std::int32_t> budget) const override {
    budgets_from_scores(heads_, input, budget);
  }

 private:
  std::unique_ptr<Allocator> uniform_;
  LayerRule layers_;
  HeadRule heads_;
  double rho_, unbias_, smooth_;
  bool from_profile_;
};

}  // namespace

AllocatorEntry reasonalloc_dynamic_entry() {
  return {{.name = "reasonalloc-dynamic",
           .summary = "layers by demand measured on residents at each refresh, heads as reasonalloc",
           .source = kReasonAllocSource,
           .parameters = joined({real_parameter("rho", "0.93", 0.01, 1, "mass that a layer's demand covers"),
                                 real_parameter("unbias", "1", 0, 1, "demand as part of what is held: 1, as number: 0"),
                                 real_parameter("smooth", "0", 0, 0.999, "weight of the demand measured before"),
                                 word_parameter("start", {"uniform", "profile"}, "layers before the first refresh")},
                                reasonalloc_parameters(true, true))},
          [](const Component& component) -> std::unique_ptr<Allocator> {
            return std::make_unique<ReasonAllocDynamic>(component);
          }};
}

}  // namespace kvwave::alloc
