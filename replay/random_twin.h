// A policy's trigger, protection and budgets with chance in place of its score: what of its gain the score is not
// needed for.
#pragma once

#include <cstdint>
#include <memory>

#include "alloc/scorer.h"

namespace kvwave::replay {

/// The control `random` (its streams, its draws) acting by `rule`. Destructive; needs no statistics.
std::shared_ptr<const alloc::Scorer> make_random_twin(const alloc::RefreshRule& rule, std::uint32_t seed);

/// `rule` with nothing protected: no prompt, sinks or recent positions, a window of the newest entry alone.
alloc::RefreshRule without_protection(alloc::RefreshRule rule);

}  // namespace kvwave::replay
