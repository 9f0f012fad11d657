#include "kernels/transformer_ops.h"

#include <bit>
#include <cassert>
#include <cmath>

#include "kernels/simd_kernels.h"

namespace kvwave::kernels {

double rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> out) {
  assert(x.size() == weight.size() && x.size() == out.size() && !x.empty());
  // Eight sums let the compiler use vector registers without changing the order of additions by itself.
  double sums[8] = {};
  const std::size_t whole = x.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  }
  for (std::size_t i = whole; i < x.size(); ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const double sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  const double mean = sum / static_cast<double>(x.size());
  const float scale = static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(epsilon)));
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] * scale * weight[i];
  return mean;
}

void swiglu(std::span<float> gate, std::span<const float> up) {
  assert(gate.size() == up.size());
  simd_kernels().swiglu(gate.data(), up.data(), gate.size());
}

void add(std::span<float> x, std::span<const float> y) {
  assert(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

void rope_half(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  const std::size_t half = cos.size();
  assert(x.size() == 2 * half && sin.size() == half);
  for (std::size_t i = 0; i < half; ++i) {
    const float a = x[i];
    const float b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = a * sin[i] + b * cos[i];
  }
}

void rope_interleaved(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  assert(x.size() == 2 * cos.size() && sin.size() == cos.size());
  for (std::size_t i = 0; i < cos.size(); ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

bool all_finite(std::span<const float> x) {
  // The exponent is all ones exactly for infinity and NaN.
  constexpr std::uint32_t kExponent = 0x7f800000u;
  std::uint32_t bad = 0;
  for (const float value : x) bad |= (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1u : 0u;
  return bad == 0;
}

}  // namespace kvwave::kernels
