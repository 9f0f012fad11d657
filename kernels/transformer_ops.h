// The small steps of a transformer layer that are neither a matrix product nor attention. All fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvwave::kernels {

/// out = x / sqrt(mean(x^2) + epsilon) * weight; the mean is formed in fp64. out may be x. Returns the mean square,
/// which is not finite when any x is not.
double rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> out);

/// gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
void swiglu(std::span<float> gate, std::span<const float> up);

/// x += y.
void add(std::span<float> x, std::span<const float> y);

/// Rotates pair i of one query or key vector by the angle whose cosine and sine are given; x.size() = 2 * cos.size().
/// half: pairs (i, i + d/2); interleaved: pairs (2i, 2i + 1).
void rope_half(std::span<float> x, std::span<const float> cos, std::span<const float> sin);
void rope_interleaved(std::span<float> x, std::span<const float> cos, std::span<const float> sin);

bool all_finite(std::span<const float> x);

}  // namespace kvwave::kernels
