// Attention rows recomputed in fp64 from the q and k of a trace, with a bound on how far an fp32 computation of the
// same row may be off.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "traces/reader.h"

namespace kvwave::replay {

/// The keys of one layer for positions [0, n_positions).
class LayerKeys {
 public:
  /// Reads them; needs level qkv. Throws CorruptTrace when a value is not finite.
  LayerKeys(const traces::TraceReader& trace, std::uint32_t layer, std::uint32_t n_positions);

  /// prob[j] = softmax over j < prob.size() of query . k[j] / sqrt(d), summed in fp64. query: [d];
  /// 1 <= prob.size() <= n_positions. Returns t: an fp32 row of the same numbers, summed in any order, has
  /// |row[j] - prob[j]| <= t * prob[j]. With unit u = 2^-24 and s = |query| max|k| / sqrt(d), every logit is within
  /// (d + 4) u s of the exact one; exp, the sum of n terms and the division add n u + 4e-6:
  ///   t = 2 (d + 4) u s + n u + 4e-6
  double row(std::span<const float> query, std::uint32_t kv_head, std::span<double> prob) const;

 private:
  std::uint32_t n_kv_heads_, head_dim_;
  std::vector<float> key_;       ///< [position, kv_head, d]
  std::vector<double> longest_;  ///< [position, kv_head] largest |k| up to that position
};

}  // namespace kvwave::replay
