#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "kernels/cpu_features.h"
#include "kernels/retained_mass.h"
#include "kernels/retained_mass_paths.h"

namespace kvwave::kernels {

void fixed_baseline(const float* value, std::size_t n, float scale, std::int32_t* fixed) {
  for (std::size_t i = 0; i < n; ++i) fixed[i] = static_cast<std::int32_t>(std::lrintf(value[i] * scale));
}

void lines_baseline(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes, const LineList& list,
                    const std::int32_t* start, std::int32_t* sum) {
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) sum[lane] = start != nullptr ? start[lane] : 0;
  for (std::size_t k = 0; k < list.n_added; ++k) {
    const std::int32_t* const line = value + list.added[k] * stride;
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) sum[lane] += line[lane];
  }
  for (std::size_t k = 0; k < list.n_removed; ++k) {
    const std::int32_t* const line = value + list.removed[k] * stride;
    for (std::uint32_t lane = 0; lane < n_lanes; ++lane) sum[lane] -= line[lane];
  }
}

void bit_distances_baseline(const std::uint64_t* line, std::size_t n_words, const std::uint64_t* lines, std::size_t n,
                            std::uint32_t* distance) {
  for (std::size_t j = 0; j < n; ++j) {
    int differ = 0;
    for (std::size_t w = 0; w < n_words; ++w) differ += std::popcount(line[w] ^ lines[j * n_words + w]);
    distance[j] = static_cast<std::uint32_t>(differ);
  }
}

void word_run_baseline(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes,
                       const std::uint64_t* visible, std::size_t n, std::uint32_t n_groups, std::int32_t* sum) {
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    std::int32_t* const total = sum + lane * kWordConfigs;
    std::fill(total, total + n_groups * 16, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t x = value[i * stride + lane];
      for (std::uint32_t c = 0; c < n_groups * 16; ++c) total[c] += (visible[i] >> c & 1U) != 0 ? x : 0;
    }
  }
}

void to_fixed(std::span<const float> value, float scale, std::span<std::int32_t> fixed) {
  assert(fixed.size() == value.size());
  switch (simd_path()) {
    case SimdPath::avx512:
      return fixed_avx512(value.data(), value.size(), scale, fixed.data());
    case SimdPath::avx2:
      return fixed_avx2(value.data(), value.size(), scale, fixed.data());
    case SimdPath::baseline:
      return fixed_baseline(value.data(), value.size(), scale, fixed.data());
  }
}

void line_sums(const std::int32_t* value, std::size_t stride, std::span<const std::uint32_t> added,
               std::span<const std::uint32_t> removed, std::span<const std::int32_t> start,
               std::span<std::int32_t> sum) {
  assert(start.empty() || start.size() == sum.size());
  const auto n_lanes = static_cast<std::uint32_t>(sum.size());
  const LineList list{added.data(), added.size(), removed.data(), removed.size()};
  const std::int32_t* const from = start.empty() ? nullptr : start.data();
  switch (simd_path()) {
    case SimdPath::avx512:
      return lines_avx512(value, stride, n_lanes, list, from, sum.data());
    case SimdPath::avx2:
      return lines_avx2(value, stride, n_lanes, list, from, sum.data());
    case SimdPath::baseline:
      return lines_baseline(value, stride, n_lanes, list, from, sum.data());
  }
}

void bit_distances(std::span<const std::uint64_t> line, std::span<const std::uint64_t> lines,
                   std::span<std::uint32_t> distance) {
  assert(lines.size() == line.size() * distance.size());
  const auto pass = simd_path() == SimdPath::baseline ? bit_distances_baseline : bit_distances_avx2;
  pass(line.data(), line.size(), lines.data(), distance.size(), distance.data());
}

void word_sums(const std::int32_t* value, std::size_t stride, std::uint32_t n_lanes,
               std::span<const std::uint64_t> visible, std::uint32_t n_configs, std::span<std::int32_t> sum) {
  assert(n_configs <= kWordConfigs && sum.size() == std::size_t{n_lanes} * kWordConfigs);
  const std::uint32_t n_groups = (n_configs + 15) / 16;
  for (std::uint32_t lane = 0; lane < n_lanes; lane += kWordLanes) {
    const std::uint32_t lanes = std::min(kWordLanes, n_lanes - lane);
    std::int32_t* const out = sum.data() + std::size_t{lane} * kWordConfigs;
    switch (simd_path()) {
      case SimdPath::avx512:
        word_run_avx512(value + lane, stride, lanes, visible.data(), visible.size(), n_groups, out);
        break;
      case SimdPath::avx2:
        word_run_avx2(value + lane, stride, lanes, visible.data(), visible.size(), n_groups, out);
        break;
      case SimdPath::baseline:
        word_run_baseline(value + lane, stride, lanes, visible.data(), visible.size(), n_groups, out);
        break;
    }
  }
}

}  // namespace kvwave::kernels
