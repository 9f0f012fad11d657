#include "replay/column_sums.h"

#include <algorithm>
#include <emmintrin.h>
#include <xmmintrin.h>

#include "kernels/retained_mass.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kVectorLanes = 8;  // lanes are taken in whole vectors; what is too much is not looked at

}  // namespace

void ColumnSums::sum(std::span<const std::int32_t> value, std::uint32_t stride, LaneRange lanes,
                     std::span<const std::uint64_t> words, std::uint32_t n_columns, const SeenPositions* lists) {
  if (lists == nullptr) {
    sums_.resize(std::size_t{lanes.count} * kernels::kWordConfigs);
    kernels::word_sums(value.data() + lanes.first, stride, lanes.count, words, n_columns, sums_);
    first_ = 0;
    lane_stride_ = kernels::kWordConfigs;
    column_stride_ = 1;
    return;
  }
  const std::uint32_t begin = lanes.first / kVectorLanes * kVectorLanes;
  const std::uint32_t end = (lanes.first + lanes.count + kVectorLanes - 1) / kVectorLanes * kVectorLanes;
  first_ = lanes.first - begin;
  lane_stride_ = 1;
  column_stride_ = end - begin;
  sums_.resize(SeenPositions::kNodes * column_stride_);
  follow_steps(value.data() + begin, stride, end - begin, *lists);
}

void ColumnSums::follow_steps(const std::int32_t* value, std::uint32_t stride, std::uint32_t n_lanes,
                              const SeenPositions& lists) {
  const auto node = [&](std::uint32_t index) {
    return std::span(sums_).subspan(std::size_t{index} * n_lanes, n_lanes);
  };
  kernels::line_sums(value, stride, lists.common(), {}, {}, node(SeenPositions::kCommon));
  if (lists.is_parent(SeenPositions::kAnyone)) {
    kernels::line_sums(value, stride, lists.some(), {}, node(SeenPositions::kCommon), node(SeenPositions::kAnyone));
  }
  for (const SeenPositions::Step& step : lists.steps()) {
    kernels::line_sums(value, stride, lists.added(step), lists.removed(step), node(step.parent), node(step.column));
  }
}

void ColumnSums::store_shares(float scale, std::span<float* const> line, std::span<const std::uint32_t> column) const {
  const auto n_lanes = static_cast<std::uint32_t>(line.size()), n = static_cast<std::uint32_t>(column.size());
  const bool together = lane_stride_ == 1 && column[n - 1] - column[0] == n - 1 &&
                        std::all_of(line.begin(), line.end(), [](const float* one) { return one != nullptr; });
  const std::uint32_t lanes_4 = together ? n_lanes / 4 * 4 : 0, columns_4 = n / 4 * 4;
  const __m128 scales = _mm_set1_ps(scale), ones = _mm_set1_ps(1.0F);  // SSE is part of baseline x86-64
  for (std::uint32_t lane = 0; lane < lanes_4; lane += 4) {
    for (std::uint32_t c = 0; c < columns_4; c += 4) {
      const std::int32_t* const from = sums_.data() + first_ + lane + c * column_stride_;
      const auto share = [&](std::size_t j) {
        const __m128i sums = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + j * column_stride_));
        return _mm_min_ps(ones, _mm_mul_ps(_mm_cvtepi32_ps(sums), scales));
      };
      __m128 a = share(0), b = share(1), d = share(2), e = share(3);
      _MM_TRANSPOSE4_PS(a, b, d, e);
      _mm_storeu_ps(line[lane] + column[c], a);
      _mm_storeu_ps(line[lane + 1] + column[c], b);
      _mm_storeu_ps(line[lane + 2] + column[c], d);
      _mm_storeu_ps(line[lane + 3] + column[c], e);
    }
  }
  for (std::uint32_t lane = 0; lane < n_lanes; ++lane) {
    if (line[lane] == nullptr) continue;
    for (std::uint32_t c = lane < lanes_4 ? columns_4 : 0; c < n; ++c) {
      line[lane][column[c]] = std::min(1.0F, static_cast<float>(at(lane, c)) * scale);
    }
  }
}

}  // namespace kvwave::replay
