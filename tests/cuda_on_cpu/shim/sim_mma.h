// One product of tensor cores, by the fragment layout that the PTX ISA documents for mma.m16n8k8 with TF32 operands.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "sim_warp.h"

namespace cudasim {

/// cvt.rna.tf32.f32: 10 bits of fraction, ties away from zero.
inline unsigned to_tf32(float value) {
  const unsigned bits = std::bit_cast<unsigned>(value);
  if ((bits & 0x7f800000U) == 0x7f800000U) return bits;  // infinities and NaN stay
  return (bits + 0x1000U) & 0xffffe000U;
}

struct MmaLane {
  const unsigned* a;
  const unsigned* b;
};
extern MmaLane mma_lanes[32][32];  // [warp][lane]

/// Rounds toward zero, which is the least that the hardware's adders do.
inline float truncated(double value) {
  const auto nearest = static_cast<float>(value);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(value) ? std::nextafter(nearest, 0.0F) : nearest;
}

/// Operands are read as the hardware reads them, without their low 13 bits. Sums of products are exact, then added to c
/// and rounded toward zero.
inline void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], CUDASIM_HERE) {
  constexpr unsigned kAll = ~0U;
  const unsigned lane = lane_id();
  const auto value = [](unsigned bits) { return static_cast<double>(std::bit_cast<float>(bits & 0xffffe000U)); };
  MmaLane* lanes = mma_lanes[threadIdx.x / 32];
  lanes[lane] = {a, b};
  warp_collective(WarpOp::sync, kAll, 0, 0, here);
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4;  // of A; elements 2 and 3 are those of eight rows below
    const unsigned column = lane % 4 * 2 + i % 2;
    double sum = static_cast<double>(c[i]);
    for (unsigned k = 0; k < 8; ++k) {
      const double x = value(lanes[row * 4 + k % 4].a[k / 4 * 2 + i / 2]);
      const double y = value(lanes[column * 4 + k % 4].b[k / 4]);
      sum += x * y;
    }
    c[i] = truncated(sum);
  }
  warp_collective(WarpOp::sync, kAll, 0, 0, here);  // the operands have been read
}

}  // namespace cudasim
