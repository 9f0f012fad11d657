// Instruction-set versions of weighted_values().
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/line_list.h"

namespace kvwave::kernels {

// WeightedRows without its span.
struct WeightedLines {
  const float* prob;
  std::size_t stride;
  std::uint32_t n_lanes;
  const float* value;
  std::size_t width;
};

// start may be null (0).
void weighted_values_baseline(const WeightedLines& rows, const LineList& list, const float* start, float* out);
void weighted_values_avx2(const WeightedLines& rows, const LineList& list, const float* start, float* out);
void weighted_values_avx512(const WeightedLines& rows, const LineList& list, const float* start, float* out);

}  // namespace kvwave::kernels
