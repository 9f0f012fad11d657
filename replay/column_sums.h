// Sums of whole numbers over what each of up to 64 columns sees, for neighbouring lanes of a tile.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/aligned_vector.h"
#include "replay/seen_positions.h"

namespace kvwave::replay {

/// Lanes first .. first + count - 1 of a tile.
struct LaneRange {
  std::uint32_t first = 0, count = 0;
};

class ColumnSums {
 public:
  /// value: [positions, stride], stride a multiple of 16. `lists` of the same words, or null: then all columns are
  /// served while the lines go by once, which is best where few rows share the words. Whole numbers make both the same.
  void sum(std::span<const std::int32_t> value, std::uint32_t stride, LaneRange lanes,
           std::span<const std::uint64_t> words, std::uint32_t n_columns, const SeenPositions* lists);

  /// Of lane lanes.first + `lane`.
  std::int32_t at(std::uint32_t lane, std::uint32_t column) const {
    return sums_[first_ + std::size_t{lane} * lane_stride_ + std::size_t{column} * column_stride_];
  }

  /// line[lane][column[c]] = min(1, at(lane, c) * scale) for the lanes whose line is not null; scale a power of two.
  void store_shares(float scale, std::span<float* const> line, std::span<const std::uint32_t> column) const;

 private:
  void follow_steps(const std::int32_t* value, std::uint32_t stride, std::uint32_t n_lanes, const SeenPositions& lists);

  kernels::AlignedVector<std::int32_t> sums_;
  std::size_t first_ = 0, lane_stride_ = 1, column_stride_ = 1;
};

}  // namespace kvwave::replay
