// Private to replay: demand when only what was generated counts, recomputed from q and k.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "traces/reader.h"

namespace kvwave::replay {

/// Calls use(step, layer, demand), demand [n_q_heads], for every decode step: the smallest number of generated
/// positions, the step's own included, whose probabilities sum to at least rho times the probability of all of them.
/// In the order of layers, then steps. Needs level qkv. Throws CorruptTrace, Interrupted.
void for_each_generated_demand(
    const traces::TraceReader& trace, double rho,
    const std::function<void(std::size_t step, std::size_t layer, std::span<const std::uint32_t> demand)>& use);

}  // namespace kvwave::replay
