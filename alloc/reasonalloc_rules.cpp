#include "alloc/reasonalloc_rules.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/parameter.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {
namespace {

constexpr double kNoBound = 1000;  // of the parameter head_hi

OperatorForm operator_form(const Component& component) {
  return component.word("operator") == "waterfill" ? OperatorForm::waterfill : OperatorForm::literal;
}

ClipTarget clip_target(const Component& component) {
  return component.word("clip") == "demand" ? ClipTarget::demand : ClipTarget::budget;
}

}  // namespace

LayerRule layer_rule(const Component& component) {
  return {component.real("gamma"), component.real("lo"), component.real("hi"), operator_form(component),
          clip_target(component)};
}

HeadRule head_rule(const Component& component) {
  return {component.real("beta"),
          component.real("mu"),
          component.real("head_hi"),
          operator_form(component),
          clip_target(component),
          component.word("ties") == "all" ? ThresholdTies::all : ThresholdTies::cut,
          component.word("window") == "inside",
          component.word("surplus") == "redistribute"};
}

std::vector<ParameterSpec> reasonalloc_parameters(bool layers, bool heads) {
  std::vector<ParameterSpec> list;
  if (layers) {
    list.push_back(real_parameter("gamma", "0.5", 0, 4, "exponent on layer demand; 0 = uniform layers"));
    list.push_back(real_parameter("lo", "0.25", 0, 1, "lowest layer budget, times the mean"));
    list.push_back(real_parameter("hi", "2", 1, 1000, "highest layer budget, times the mean"));
  }
  if (heads) {
    list.push_back(real_parameter("beta", "0.5", 0, 4, "exponent on head counts; 0 = uniform heads"));
    list.push_back(real_parameter("mu", "0.25", 0, 1, "lowest head budget, times the mean"));
    list.push_back(real_parameter("head_hi", "1000", 1, kNoBound, "highest head budget, times the mean; 1000 = none"));
  }
  list.push_back(
      word_parameter("operator", {"literal", "waterfill"}, "one rescale after bounds, or a fill that keeps them"));
  list.push_back(word_parameter("clip", {"budget", "demand"}, "bounds act on scaled budgets, or on raw demand"));
  if (heads) {
    list.push_back(
        word_parameter("window", {"outside", "inside"}, "share a layer's budget without or with the windows"));
    list.push_back(
        word_parameter("surplus", {"redistribute", "leave"}, "what a head cannot fill: to the others, or unused"));
    list.push_back(word_parameter("ties", {"all", "cut"}, "scores equal to tau: all count, or up to the budget"));
  }
  return list;
}

LayerShares share_over_layers(const LayerRule& rule, std::span<const double> demand, std::int64_t total,
                              std::uint32_t window, std::uint32_t n_kv_heads) {
  const double mean = static_cast<double>(total) / static_cast<double>(demand.size());
  const RobustShares shares = robust_shares(demand, rule.gamma, rule.low * mean, rule.high * mean,
                                            static_cast<double>(total), rule.form, rule.clip);
  LayerShares result;
  result.budget.resize(demand.size());
  round_largest_remainder(shares.share, total, result.budget);
  const std::uint32_t raised = raise_to_floor(result.budget, (std::int64_t{window} + 1) * n_kv_heads);
  result.floors_hit = std::max(shares.below, raised);
  result.caps_hit = shares.above;
  return result;
}

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
  LayerShares shares = share_over_layers(rule, input.demand, plan.nominal, input.window, input.n_kv_heads);
  plan.budget = std::move(shares.budget);
  plan.floors_hit = shares.floors_hit;
  plan.caps_hit = shares.caps_hit;
  plan.realised = std::accumulate(plan.budget.begin(), plan.budget.end(), std::int64_t{0});
  return plan;
}

void budgets_from_scores(const HeadRule& rule, const HeadPlanInput& input, std::span<std::int32_t> budget) {
  const std::size_t n_heads = budget.size();
  check_layer_budget(input, n_heads);
  const std::uint32_t added = rule.window_inside ? 0 : input.window;
  const std::int64_t total = input.layer_budget - std::int64_t{added} * static_cast<std::int64_t>(n_heads);
  const std::vector<double> usable = usable_entries(input.residents, added);
  if (!keep_everything(usable, total, budget)) {
    const auto t = static_cast<double>(total);
    const double mean = t / static_cast<double>(n_heads);
    const std::vector<double> counts = counts_among_top(input.scores, total, rule.ties);
    const double high = rule.high >= kNoBound ? t : std::min(t, rule.high * mean);
    std::vector<double> share = robust_shares(counts, rule.beta, rule.mu * mean, high, t, rule.form, rule.clip).share;
    if (rule.redistribute) share = water_fill(share, 0.0, usable, t);
    round_largest_remainder(share, total, budget);
  }
  for (std::int32_t& entries : budget) entries += static_cast<std::int32_t>(added);
  raise_to_floor(budget, std::int64_t{input.window} + 1);
}

}  // namespace kvwave::alloc
