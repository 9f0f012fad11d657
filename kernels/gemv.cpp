#include "kernels/gemv.h"

#include <algorithm>
#include <cassert>

namespace kvwave::kernels {

void gemv(const ParamMatrix& w, std::span<const float> x, std::uint32_t first_row, std::span<float> out) {
  assert(x.size() == w.cols && first_row + out.size() <= w.rows);
  constexpr std::size_t kTile = 256;  // a multiple of every block length
  float tile[kTile];
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::byte* row = w.row(first_row + i);
    float sum = 0;
    for (std::size_t first = 0; first < w.cols; first += kTile) {
      const std::size_t count = std::min<std::size_t>(kTile, w.cols - first);
      dequantise_row(w.type, row + row_bytes(w.type, first), {tile, count});
      for (std::size_t j = 0; j < count; ++j) sum += tile[j] * x[first + j];
    }
    out[i] = sum;
  }
}

}  // namespace kvwave::kernels
