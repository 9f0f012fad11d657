#include "replay/future_mass.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/query_tile.h"

namespace kvwave::replay {

namespace {

constexpr std::uint32_t kTileRows = 16;
constexpr std::size_t kMostBytes = std::size_t{4} << 30;

// sum[i] += group-mean probability of position i over rows first .. last.
void add_rows(const LayerTensors& tensors, std::uint32_t kv_head, std::uint32_t first, std::uint32_t last,
              ProbabilityTile& tile, std::span<double> sum) {
  for (std::uint32_t row = first; row <= last; row += kTileRows) {
    recompute_rows(tensors, kv_head, row, std::min(kTileRows, last - row + 1), tile);
    const std::size_t n = std::min<std::size_t>(sum.size(), tile.shape.n_positions);
    for (std::size_t i = 0; i < n; ++i) {
      const float* const line = tile.prob.data() + i * tile.shape.n_lanes;
      double part = 0;
      for (std::uint32_t lane = 0; lane < tile.used_lanes(); ++lane) part += line[lane];
      sum[i] += part / tile.group;
    }
  }
}

}  // namespace

FutureMass::FutureMass(const Sequence& sequence, std::span<const std::uint32_t> after)
    : after_(after.begin(), after.end()) {
  assert(std::is_sorted(after_.begin(), after_.end()));
  std::size_t total = 0;
  for (const std::uint32_t position : after_) {
    start_.push_back(total);
    total += position + 1;
  }
  if (total > kMostBytes / sizeof(float) / sequence.n_kv_heads) {
    throw Error(fmt::format("oracle: {} refreshes over {} positions would take {} GiB per layer; use a larger buffer",
                            after_.size(), sequence.n_positions, total * sizeof(float) * sequence.n_kv_heads >> 30));
  }
  mass_.assign(sequence.n_kv_heads, std::vector<float>(total));
}

std::uint32_t FutureMass::segment_end(std::size_t s, const Sequence& sequence) const {
  return s + 1 < after_.size() ? after_[s + 1] + 1 : sequence.n_positions;
}

// Rows between two refreshes are summed apart, in parallel; a snapshot is then the sum of all later segments.
FutureMass::FutureMass(const LayerTensors& tensors, std::span<const std::uint32_t> after, kernels::ThreadPool& pool)
    : FutureMass(tensors.sequence(), after) {
  const Sequence& sequence = tensors.sequence();
  const std::size_t n_segments = after_.size();
  std::vector<std::vector<double>> segment(sequence.n_kv_heads * n_segments);
  std::vector<ProbabilityTile> tiles(pool.size());
  pool.parallel_for(segment.size(), [&](std::size_t task, unsigned worker) {
    const auto kv_head = static_cast<std::uint32_t>(task / n_segments);
    const std::size_t s = task % n_segments;
    const std::uint32_t last = segment_end(s, sequence) - 1;
    segment[task].assign(after_[s] + 1, 0.0);
    if (last > after_[s]) add_rows(tensors, kv_head, after_[s] + 1, last, tiles[worker], segment[task]);
  });
  accumulate(segment);
}

FutureMass::FutureMass(const Sequence& sequence, std::span<const std::uint32_t> after, const SegmentMass& segment_mass)
    : FutureMass(sequence, after) {
  const std::size_t n_segments = after_.size();
  std::vector<std::vector<double>> segment(sequence.n_kv_heads * n_segments);
  for (std::size_t s = 0; s < n_segments; ++s) {
    const std::vector<double> mass = segment_mass(after_[s] + 1, segment_end(s, sequence));
    for (std::size_t h = 0; h < sequence.n_kv_heads; ++h) {
      const auto from = mass.begin() + static_cast<std::ptrdiff_t>(h * sequence.n_positions);
      segment[h * n_segments + s].assign(from, from + static_cast<std::ptrdiff_t>(after_[s] + 1));
    }
  }
  accumulate(segment);
}

void FutureMass::accumulate(std::vector<std::vector<double>>& segment) {
  const std::size_t n_segments = after_.size();
  for (std::size_t h = 0; h < mass_.size(); ++h) {
    for (std::size_t s = n_segments; s-- > 0;) {
      std::vector<double>& sum = segment[h * n_segments + s];
      if (s + 1 < n_segments) {
        const std::vector<double>& later = segment[h * n_segments + s + 1];
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += later[i];
      }
      std::copy(sum.begin(), sum.end(), mass_[h].begin() + static_cast<std::ptrdiff_t>(start_[s]));
    }
  }
}

std::span<const float> FutureMass::after(std::uint32_t kv_head, std::uint32_t position) const {
  const auto found = std::lower_bound(after_.begin(), after_.end(), position);
  assert(found != after_.end() && *found == position);
  const std::size_t index = static_cast<std::size_t>(found - after_.begin());
  return std::span(mass_[kv_head]).subspan(start_[index], position + 1);
}

}  // namespace kvwave::replay
