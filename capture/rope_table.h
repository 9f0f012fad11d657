// Angles of the rotary position embedding of one model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "capture/model.h"

namespace kvwave::capture {

/// Cosines and sines of a block of positions: angle i = position * theta^(-2i/d) / divisor[i], formed in fp64,
/// times the model's attention factor.
class RopeTable {
 public:
  explicit RopeTable(const ModelConfig& config);

  /// Angle per position of each pair, [d / 2].
  std::span<const double> frequencies() const { return frequency_; }

  /// Prepares rotate() for positions first .. first + count - 1.
  void set_block(std::uint32_t first, std::uint32_t count);
  /// Rotates the vectors of all heads, [n, head_dim], of the index-th position of the block.
  void rotate(std::uint32_t index, std::span<float> heads) const;

 private:
  RopeLayout layout_;
  double factor_;
  std::vector<double> frequency_;  // [d / 2]
  std::vector<float> cos_, sin_;   // [count, d / 2]
};

}  // namespace kvwave::capture
