// The scan pass, written once in the compiler's vector types and compiled for each instruction set by the file that
// includes it. Everything has internal linkage: no wide copy can reach another file.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/lane_vectors.h"
#include "kernels/row_stats_passes.h"

namespace kvwave::kernels {
namespace {

static_assert(kLanes == kRowLanes);

/// p ln p by splitting p = 2^e m with m in [sqrt(1/2), sqrt(2)) and a polynomial (minimax, fitted for this use) for
/// ln(1 + x) = x - x^2/2 + x^3 P(x): relative error of the logarithm 1.5e-7. p = 0 gives 0.
inline __attribute__((always_inline)) void p_log_p(const Ints& bits, Floats& out) {
  constexpr std::int32_t kSqrtHalf = 0x3F3504F3;
  const Ints shifted = bits - kSqrtHalf;
  const Floats exponent = __builtin_convertvector(shifted >> 23, Floats);
  const Ints mantissa = (shifted & 0x007FFFFF) + kSqrtHalf;
  const Floats x = reinterpret_cast<Floats>(mantissa) - 1.0F;
  Floats poly = x * 0.08700434863567352F + -0.14267486333847046F;
  poly = poly * x + 0.14914768934249878F;
  poly = poly * x + -0.1657758504152298F;
  poly = poly * x + 0.19963063299655914F;
  poly = poly * x + -0.2500133812427521F;
  poly = poly * x + 0.3333390951156616F;
  const Floats square = x * x;
  const Floats log = (exponent * 0.6931471805599453F + (x * square * poly - square * 0.5F)) + x;
  out = reinterpret_cast<Floats>(bits) * log;
}

struct ScanState {
  Floats plogp[kVectors];  // lane sums of the current chunk
  Ints max_bits[kVectors];
  Ints invalid[kVectors];  // minus the count, per lane
};

inline __attribute__((always_inline)) void scan_lanes(const float* values, std::uint16_t* bucket, ScanState& state) {
  for (std::size_t i = 0; i < kVectors; ++i) {
    Ints bits;
    std::memcpy(&bits, values + i * kWidth, sizeof(bits));
    // Negative values, infinities and NaN are, as unsigned numbers, all above the bits of 2.0.
    const Ints bad = (bits < 0) | (bits >= 0x40000000);
    state.invalid[i] += bad;
    bits &= ~bad;
    Ints id = (bits >> kBucketShift) - static_cast<std::int32_t>(kBucketBase);
    id &= ~(id >> 31);
    const Words words = __builtin_convertvector(id, Words);
    std::memcpy(bucket + i * kWidth, &words, sizeof(words));
    state.max_bits[i] = bits > state.max_bits[i] ? bits : state.max_bits[i];
    Floats term;
    p_log_p(bits, term);
    state.plogp[i] += term;
  }
}

RowScan scan_row(const float* row, std::size_t n, std::uint16_t* bucket) {
  constexpr std::size_t kChunk = 64 * kRowLanes;  // float sums stay short, fp64 takes over
  double sums[kRowLanes] = {};
  ScanState state{};
  const std::size_t whole = n - n % kRowLanes;
  for (std::size_t begin = 0; begin < n; begin += kChunk) {
    for (Floats& sum : state.plogp) sum = Floats{};
    const std::size_t end = begin + kChunk < whole ? begin + kChunk : whole;
    for (std::size_t i = begin; i < end; i += kRowLanes) scan_lanes(row + i, bucket + i, state);
    if (whole < n && n - begin <= kChunk) {
      float tail[kRowLanes] = {};
      std::memcpy(tail, row + whole, (n - whole) * sizeof(float));
      scan_lanes(tail, bucket + whole, state);
    }
    for (std::size_t lane = 0; lane < kRowLanes; ++lane) {
      sums[lane] += static_cast<double>(state.plogp[lane / kWidth][lane % kWidth]);
    }
  }
  RowScan result;
  double sum = 0;
  std::int32_t max_bits = 0;
  for (std::size_t lane = 0; lane < kRowLanes; ++lane) {
    const std::int32_t lane_max = state.max_bits[lane / kWidth][lane % kWidth];
    max_bits = lane_max > max_bits ? lane_max : max_bits;
    result.invalid -= static_cast<std::uint32_t>(state.invalid[lane / kWidth][lane % kWidth]);
    sum += sums[lane];
  }
  result.entropy = sum < 0 ? -sum : 0.0;
  std::memcpy(&result.max_prob, &max_bits, sizeof(max_bits));
  return result;
}

}  // namespace
}  // namespace kvwave::kernels
