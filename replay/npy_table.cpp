#include "replay/npy_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "replay/error.h"
#include "traces/error.h"
#include "traces/npy_array.h"

namespace kvwave::replay {

alloc::HeadTable parse_npy_table(std::string_view bytes) {
  traces::NpyArray array;
  try {
    array = traces::parse_npy(std::as_bytes(std::span(bytes)));
  } catch (const traces::BadArrayFile& error) {
    throw BadTableFile(error.what());
  }
  std::vector<std::uint64_t> shape = array.shape;
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  const bool fits =
      shape.size() == 3 && shape[0] <= kMostTablePlanes && shape[1] <= kMostTableHeads && shape[2] <= kMostTableHeads;
  if (!fits) {
    throw BadTableFile("expected shape [planes, layers, heads] with planes up to 1024 and the rest up to 4096");
  }
  alloc::HeadTable table{static_cast<std::uint32_t>(shape[0]), static_cast<std::uint32_t>(shape[1]),
                         static_cast<std::uint32_t>(shape[2]), std::vector<double>(array.size())};
  traces::npy_values(array, 0, std::span(table.value));
  if (!std::all_of(table.value.begin(), table.value.end(), [](double value) { return std::isfinite(value); })) {
    throw BadTableFile("holds a value that is not finite");
  }
  return table;
}

std::string npy_table_bytes(const alloc::HeadTable& table) {
  const std::array<std::uint64_t, 3> shape = {table.n_planes, table.n_layers, table.n_heads};
  const std::vector<float> values(table.value.begin(), table.value.end());
  return traces::npy_bytes(shape, values);
}

}  // namespace kvwave::replay
