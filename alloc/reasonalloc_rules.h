// Private to alloc: the two halves of ReasonAlloc, shared by its variants (reasonalloc.cpp says what they do).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "alloc/allocator.h"
#include "alloc/head_sharing.h"
#include "alloc/registry.h"
#include "alloc/robust_operator.h"

namespace kvwave::alloc {

inline constexpr std::string_view kReasonAllocSource =
    "ReasonAlloc, arXiv 2606.11164 (no official code; reconstruction)";

struct LayerRule {
  double gamma, low, high;
  OperatorForm form;
  ClipTarget clip;
};

struct HeadRule {
  double beta, mu, high;
  OperatorForm form;
  ClipTarget clip;
  ThresholdTies ties;
  bool window_inside, redistribute;
};

/// The parameters of a component that has them (reasonalloc_parameters()).
LayerRule layer_rule(const Component& component);
HeadRule head_rule(const Component& component);
std::vector<ParameterSpec> reasonalloc_parameters(bool layers, bool heads);

/// What bounds changed, and the layers' budgets: sum `total`, at least window + 1 entries per KV head.
struct LayerShares {
  std::vector<std::int32_t> budget;
  std::uint32_t floors_hit = 0, caps_hit = 0;
};
/// demand: one finite value per layer; total: entries of the model.
LayerShares share_over_layers(const LayerRule& rule, std::span<const double> demand, std::int64_t total,
                              std::uint32_t window, std::uint32_t n_kv_heads);

/// layer_plan() from the calibrated demand.
LayerPlan plan_from_demand(const LayerRule& rule, const LayerPlanInput& input);
/// head_budgets() from pooled scores.
void budgets_from_scores(const HeadRule& rule, const HeadPlanInput& input, std::span<std::int32_t> budget);

}  // namespace kvwave::alloc
