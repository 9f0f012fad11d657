// Private to alloc: H2O's mask form, a scorer of its own sort behind the name `h2o`.
#pragma once

#include <memory>

#include "alloc/scorer.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

/// Throws BadStrategy for heads=kv and prompt=keep, which a mask per query head from the first decode step on is not.
std::unique_ptr<Scorer> make_h2o_mask(const Component& component);

}  // namespace kvwave::alloc
