// Private to alloc: the schedule of scorers from kvpress (github.com/NVIDIA/kvpress at 8bb29b9): a cut after prefill,
// then its DecodingPress, a cut to the budget after every `buffer` decoded tokens. No window of their own; survivors
// stay in the order of scores.
#pragma once

#include <string_view>
#include <vector>

#include "alloc/registry.h"
#include "alloc/scorer.h"

namespace kvwave::alloc {

/// `window`, `buffer` (default as given), `trigger`, `prompt`, `protect`, `order`.
std::vector<ParameterSpec> press_parameters(std::string_view buffer);

/// The rule those parameters describe.
RefreshRule press_rule(const Component& component);

}  // namespace kvwave::alloc
