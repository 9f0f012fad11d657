// What a component asks of a trace and of the person who runs it, in words: for lists and for refusals.
#pragma once

#include <string>

#include "alloc/registry.h"

namespace kvwave::alloc {

/// For example "queries, keys (level qkv)" or "positions only"; with the component's parameters as they are. The
/// component must come from Strategy::parse().
std::string scorer_requirements(const Component& scorer);
std::string allocator_requirements(const Component& allocator);

}  // namespace kvwave::alloc
