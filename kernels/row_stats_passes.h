// The passes over a row that have one version per instruction set. All versions give the same bits: sums run in sixteen
// lanes (lane = position mod 16) whatever the width of a register, and no multiply-add is fused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::kernels {

inline constexpr std::size_t kRowLanes = 16;
/// Positions are put into buckets by the top bits of their float: sixteen buckets per octave from 2^-32 up to 2, and
/// bucket 0 for everything below.
inline constexpr int kBucketShift = 19;
inline constexpr std::uint32_t kBucketBase = (127U - 32U) * 16U - 1U;
inline constexpr std::uint32_t kBuckets = 33U * 16U + 1U;
/// Exact sums count in units of 2^-42.
inline constexpr float kSumScale = 4398046511104.0F;

struct RowScan {
  double entropy = 0;
  float max_prob = 0;
  std::uint32_t invalid = 0;  ///< entries outside [0, 2)
};

struct RowPasses {
  /// Reads n values; writes one bucket per position, n rounded up to whole lanes.
  RowScan (*scan)(const float* row, std::size_t n, std::uint16_t* bucket);
  /// Appends position and value of every entry >= threshold, ascending; both outputs need n + kRowLanes room. Returns
  /// how many there are.
  std::size_t (*keep_at_least)(const float* row, std::size_t n, float threshold, std::uint32_t* position, float* kept);
  /// Rounds n values in [0, 2) toward zero to binary16; `out` needs n + kRowLanes room, `values` must be readable to
  /// whole lanes. Returns the exact sum of what was stored.
  double (*store_f16)(const float* values, std::size_t n, std::uint16_t* out);
};

extern const RowPasses kRowPassesBaseline, kRowPassesAvx2, kRowPassesAvx512;

}  // namespace kvwave::kernels
