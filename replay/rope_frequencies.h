// Private to replay: the rotary embedding of a trace's model, for scorers that turn queries back.
#pragma once

#include <vector>

#include "alloc/residents.h"

namespace kvwave::traces {
struct TraceInfo;
}

namespace kvwave::replay {

class RopeFrequencies {
 public:
  /// angle of pair i per position = rope_theta^(-2i / head_dim), divided by rope_scaling's factor or i-th divisor.
  /// Throws CorruptTrace when the scaling is none of those that kvwave records.
  explicit RopeFrequencies(const traces::TraceInfo& info);

  /// Points into this object.
  alloc::Rope rope() const { return {.frequency = frequency_, .interleaved = interleaved_}; }

 private:
  std::vector<double> frequency_;  // [head_dim / 2]
  bool interleaved_;
};

}  // namespace kvwave::replay
