#include <algorithm>
#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/weighted_values.h"
#include "kernels/weighted_values_paths.h"

namespace kvwave::kernels {

namespace {

void add_line(const WeightedLines& rows, std::uint32_t position, float sign, float* out) {
  const float* const v = rows.value + position * rows.width;
  for (std::uint32_t lane = 0; lane < rows.n_lanes; ++lane) {
    const float p = sign * rows.prob[position * rows.stride + lane];
    for (std::size_t c = 0; c < rows.width; ++c) out[lane * rows.width + c] += p * v[c];
  }
}

}  // namespace

void weighted_values_baseline(const WeightedLines& rows, const LineList& list, const float* start, float* out) {
  const std::size_t size = rows.n_lanes * rows.width;
  if (start != nullptr) {
    std::copy(start, start + size, out);
  } else {
    std::fill(out, out + size, 0.0F);
  }
  for (std::size_t k = 0; k < list.n_added; ++k) add_line(rows, list.added[k], 1.0F, out);
  for (std::size_t k = 0; k < list.n_removed; ++k) add_line(rows, list.removed[k], -1.0F, out);
}

void weighted_values(const WeightedRows& rows, std::span<const std::uint32_t> added,
                     std::span<const std::uint32_t> removed, std::span<const float> start, std::span<float> out) {
  assert(rows.width % kValuePad == 0 && out.size() == std::size_t{rows.n_lanes} * rows.width);
  assert(start.empty() || start.size() == out.size());
  const WeightedLines lines{rows.prob, rows.stride, rows.n_lanes, rows.value.data(), rows.width};
  const LineList list{added.data(), added.size(), removed.data(), removed.size()};
  const float* const from = start.empty() ? nullptr : start.data();
  switch (simd_path()) {
    case SimdPath::avx512:
      return weighted_values_avx512(lines, list, from, out.data());
    case SimdPath::avx2:
      return weighted_values_avx2(lines, list, from, out.data());
    case SimdPath::baseline:
      return weighted_values_baseline(lines, list, from, out.data());
  }
}

}  // namespace kvwave::kernels
