// Private to alloc: the parameters that say when a scorer acts and what it never drops, shared by all scorers that
// follow R-KV's schedule.
#pragma once

#include <vector>

#include "alloc/registry.h"
#include "alloc/scorer.h"

namespace kvwave::alloc {

/// `window`, `buffer`, `prompt`, `protect`, `trigger`, `cut` and `content`; with `order` where the score depends on the
/// order of slots (pooling, redundancy).
std::vector<ParameterSpec> refresh_parameters(bool with_order);

/// The rule those parameters describe. Without `order` the slots stay in position order.
RefreshRule refresh_rule(const Component& component);

/// The rule of `window`, `buffer`, `prompt`, `protect` and `order` alone, for scorers with words of their own for the
/// trigger.
RefreshRule rule_without_trigger(const Component& component);

/// `prompt` and `protect`, of scorers with triggers of their own; `heads` where a query head may have its own cache.
std::vector<ParameterSpec> step_parameters(bool with_heads);

/// The rule those parameters describe: no window, slots in position order, a cut in every step.
RefreshRule step_rule(const Component& component);

/// `own` followed by `shared`.
std::vector<ParameterSpec> joined(std::vector<ParameterSpec> own, const std::vector<ParameterSpec>& shared);

}  // namespace kvwave::alloc
