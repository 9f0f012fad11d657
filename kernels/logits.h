// The passes over a vocabulary's logits that choosing a token and its probability take. The same bits on every SIMD
// path: sums run in sixteen lanes whatever the width of a register.
#pragma once

#include <span>

namespace kvwave::kernels {

/// The largest of at least one finite value.
float largest(std::span<const float> values);

/// out[i] = exp((logits[i] - top) * scale) within 2e-7 relative, 0 below exp(-87); returns their fp64 sum. top is the
/// largest logit, scale > 0. `out` has the size of logits and may be
/// the same memory, or is empty when only the sum is wanted.
double exp_below(std::span<const float> logits, float top, float scale, std::span<float> out);

}  // namespace kvwave::kernels
