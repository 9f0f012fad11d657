// What a comparison of a device's selections with the CPU's has found.
#pragma once

#include <cstdint>

namespace kvwave::replay {

/// Scores of device and CPU differ by at most this, relative to the largest score of the cache in absolute value: the
/// bounds of kernels/rkv_batch.cuh for importance and redundancy, and their sum's rounding.
inline constexpr double kScoreBound = 1e-5;

struct SelectionCounts {
  std::uint64_t n_selections = 0;
  std::uint64_t n_different = 0;  ///< another set of entries is kept
  std::uint64_t n_beyond = 0;     ///< of those: by scores that differ by more than the bound, or another number of them
  /// Largest gap between the CPU's scores of an entry that only it keeps and one that only the device keeps, relative
  /// to the cache's largest score.
  double largest_gap = 0;
};

}  // namespace kvwave::replay
