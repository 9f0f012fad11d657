#include "alloc/table_heads.h"

#include <algorithm>

#include <fmt/format.h>

#include "alloc/error.h"

namespace kvwave::alloc {

std::vector<double> table_per_cache(std::string_view allocator, const LayerPlanInput& input, GroupReduction reduction,
                                    std::size_t plane) {
  if (input.table == nullptr) throw BadTable(fmt::format("{} needs a table: {}:table=FILE", allocator, allocator));
  const HeadTable& table = *input.table;
  const std::uint32_t caches = input.n_kv_heads;
  const std::uint32_t q_heads = input.n_q_heads == 0 ? caches : input.n_q_heads;
  const std::uint32_t kv_heads = input.n_model_kv_heads == 0 ? caches : input.n_model_kv_heads;
  if (table.n_layers != input.n_layers || (table.n_heads != kv_heads && table.n_heads != q_heads) ||
      plane >= table.n_planes) {
    throw BadTable(
        fmt::format("{}: the table has {} layers of {} heads, the model {} layers of {} KV heads ({} query heads)",
                    allocator, table.n_layers, table.n_heads, input.n_layers, kv_heads, q_heads));
  }
  std::vector<double> value;
  for (std::uint32_t l = 0; l < input.n_layers; ++l) {
    for (std::uint32_t h = 0; h < caches; ++h) {
      // Heads of the table that cache h stands for: first .. last - 1.
      const std::size_t first = std::size_t{h} * table.n_heads / caches;
      const std::size_t last = std::max<std::size_t>(first + 1, (std::size_t{h} + 1) * table.n_heads / caches);
      double sum = 0, largest = table.at(l, first, plane);
      for (std::size_t i = first; i < last; ++i) {
        sum += table.at(l, i, plane);
        largest = std::max(largest, table.at(l, i, plane));
      }
      value.push_back(reduction == GroupReduction::max ? largest : sum / static_cast<double>(last - first));
    }
  }
  return value;
}

}  // namespace kvwave::alloc
