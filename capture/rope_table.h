// Angles of the rotary position embedding of one model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "capture/model.h"

namespace kvwave::capture {

/// Cosines and sines for one position at a time: angle i = position * theta^(-2i/d) / divisor[i], formed in fp64.
class RopeTable {
 public:
  explicit RopeTable(const ModelConfig& config);

  void set_position(std::uint32_t position);
  /// Rotates n_heads vectors of head_dim values that follow one another.
  void rotate(std::span<float> heads) const;

 private:
  RopeLayout layout_;
  std::vector<double> frequency_;  // [d / 2]
  std::vector<float> cos_, sin_;   // of the current position
};

}  // namespace kvwave::capture
