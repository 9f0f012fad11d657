// Row passes for any x86-64 (SSE2).
#include <emmintrin.h>

#include "kernels/half.h"
#include "kernels/row_stats_passes.h"
#include "kernels/row_stats_scan.h"

namespace kvwave::kernels {
namespace {

std::size_t keep_at_least(const float* row, std::size_t n, float threshold, std::uint32_t* position, float* kept) {
  const __m128 limit = _mm_set1_ps(threshold);
  std::size_t count = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    auto mask = static_cast<unsigned>(_mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(row + i), limit)));
    for (; mask != 0; mask &= mask - 1) {
      const std::size_t at = i + static_cast<unsigned>(__builtin_ctz(mask));
      position[count] = static_cast<std::uint32_t>(at);
      kept[count++] = row[at];
    }
  }
  for (; i < n; ++i) {
    if (row[i] < threshold) continue;
    position[count] = static_cast<std::uint32_t>(i);
    kept[count++] = row[i];
  }
  return count;
}

double store_f16(const float* values, std::size_t n, std::uint16_t* out) {
  double sum = 0;  // multiples of 2^-24: exact in any order
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = f32_to_f16_toward_zero(values[i]);
    sum += static_cast<double>(f16_to_f32(out[i]));
  }
  return sum;
}

}  // namespace

const RowPasses kRowPassesBaseline = {scan_row, keep_at_least, store_f16};

}  // namespace kvwave::kernels
