// What phase 1 of R-KV must at least do, priced with what the machine can do.
#pragma once

#include <cstdint>

#include "alloc/scorer.h"
#include "replay/sequence.h"

namespace kvwave::bench {

/// One thread's abilities.
struct MachineRates {
  double flops = 0;                  ///< peak, simd_peak.h
  double read_bytes_per_second = 0;  ///< from memory
};

/// Of all layers and KV heads: at each refresh every resident key is read once from memory and scored once against the
/// window's queries, and the n x n products of d channels are formed; arithmetic at half of the peak.
struct Phase1Bound {
  std::uint64_t refreshes = 0;  ///< of one KV head
  double read_seconds = 0, score_seconds = 0, product_seconds = 0;
  double seconds() const { return read_seconds + score_seconds + product_seconds; }
};

Phase1Bound phase1_bound(const replay::Sequence& sequence, const alloc::RefreshRule& rule, std::uint32_t budget,
                         const MachineRates& rates);

}  // namespace kvwave::bench
