// The logits passes, written once in sixteen-lane vectors and compiled for each instruction set by the file that
// includes it. Everything has internal linkage: no wide copy can reach another file.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/lane_vectors.h"
#include "kernels/logits_passes.h"

namespace kvwave::kernels {
namespace {

float largest_of(const float* values, std::size_t n) {
  Floats top[kVectors];
  for (Floats& lane : top) lane = Floats{} + values[0];
  const std::size_t whole = n - n % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      Floats x;
      std::memcpy(&x, values + i + v * kWidth, sizeof(x));
      top[v] = x > top[v] ? x : top[v];
    }
  }
  float result = values[0];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const float x = top[lane / kWidth][lane % kWidth];
    result = x > result ? x : result;
  }
  for (std::size_t i = whole; i < n; ++i) result = values[i] > result ? values[i] : result;
  return result;
}

/// exp of x in [-87, 0]: x = n ln 2 + r, and exp(r) = 1 + r + r^2 P(r) with a minimax polynomial fitted for this use.
inline __attribute__((always_inline)) void exponential(const Floats& x, Floats& out) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding and taking it away rounds to a whole number
  const Floats n = (x * 1.4426950408889634F + kRound) - kRound;
  const Floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts, the first with few bits
  Floats poly = r * 0.0013814467238262296F + 0.008368780836462975F;
  poly = poly * r + 0.04166839271783829F;
  poly = poly * r + 0.1666651964187622F;
  poly = poly * r + 0.4999999403953552F;
  const Floats value = (r * r * poly + r) + 1.0F;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  out = value * reinterpret_cast<Floats>(power);
}

inline __attribute__((always_inline)) void exp_lanes(const float* logits, float top, float scale, float* out,
                                                     Doubles (&sums)[kVectors][2]) {
  for (std::size_t v = 0; v < kVectors; ++v) {
    Floats x;
    std::memcpy(&x, logits + v * kWidth, sizeof(x));
    x = (x - top) * scale;
    const Ints inside = x > -87.0F;
    x = x > -87.0F ? x : Floats{} - 87.0F;
    Floats e;
    exponential(x, e);
    e = reinterpret_cast<Floats>(reinterpret_cast<Ints>(e) & inside);
    if (out != nullptr) std::memcpy(out + v * kWidth, &e, sizeof(e));
    HalfFloats half[2];
    std::memcpy(half, &e, sizeof(e));
    sums[v][0] += __builtin_convertvector(half[0], Doubles);
    sums[v][1] += __builtin_convertvector(half[1], Doubles);
  }
}

double exp_below_top(const float* logits, std::size_t n, float top, float scale, float* out) {
  Doubles sums[kVectors][2] = {};
  const std::size_t whole = n - n % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    exp_lanes(logits + i, top, scale, out == nullptr ? nullptr : out + i, sums);
  }
  if (whole < n) {
    float tail[kLanes], exps[kLanes];
    for (float& x : tail) x = top - 200.0F / scale;  // counts as 0
    std::memcpy(tail, logits + whole, (n - whole) * sizeof(float));
    exp_lanes(tail, top, scale, exps, sums);
    if (out != nullptr) std::memcpy(out + whole, exps, (n - whole) * sizeof(float));
  }
  double sum = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::size_t in_vector = lane % kWidth;
    sum += sums[lane / kWidth][in_vector / (kWidth / 2)][in_vector % (kWidth / 2)];
  }
  return sum;
}

}  // namespace
}  // namespace kvwave::kernels
