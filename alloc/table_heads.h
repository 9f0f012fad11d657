// Private to alloc: a table from a file, fitted to the caches of a model.
#pragma once

#include <string_view>
#include <vector>

#include "alloc/allocator.h"

namespace kvwave::alloc {

enum class GroupReduction { mean, max };

/// The table's values per cache: [n_layers, n_kv_heads]. A table over query heads is reduced over each group; one over
/// KV heads is repeated for query-head caches. Throws BadTable when there is none, when `plane` is missing, or when the
/// shape fits neither (naming both shapes); `allocator` leads the message.
std::vector<double> table_per_cache(std::string_view allocator, const LayerPlanInput& input, GroupReduction reduction,
                                    std::size_t plane = 0);

}  // namespace kvwave::alloc
