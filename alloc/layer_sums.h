// Private to alloc: steps that allocators share which replan whole layers, all KV heads of a layer being equal.
#pragma once

#include <cstdint>
#include <span>

#include "alloc/allocator.h"

namespace kvwave::alloc {

/// Entries outside the window of the layer's fullest KV head.
std::int64_t most_candidates(const LayerState& layer, std::uint32_t window);

/// From candidates per KV head, 0 or more, to layer budgets: at least one candidate each, taken from the largest so
/// that the sum is kept (exactly one each where it does not suffice), and the window on top. What the sum lacks to the
/// model total counts as unused in the report.
ReplanReport grant_per_head(const LayerReplanInput& input, std::span<const std::int64_t> candidates,
                            std::span<std::int32_t> layer_budget);

}  // namespace kvwave::alloc
