// Which allocators go with which scorers. Nearly all do; the rest is refused with the reason, when a strategy is
// parsed.
#pragma once

#include <string>

#include "alloc/strategy.h"

namespace kvwave::alloc {

/// Why the two halves of a strategy do not go together, as one sentence; empty when they do.
std::string incompatibility(const Component& allocator, const Component& scorer);

/// Throws BadStrategy with the reason of incompatibility() and what to use instead. The full cache is fine.
void check_compatible(const Strategy& strategy);

}  // namespace kvwave::alloc
