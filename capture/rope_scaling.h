// The ways in which models stretch rotary positions beyond the length they were trained with. Each comes down to one
// divisor per frequency, and for YaRN one factor on cosines and sines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/model.h"

namespace kvwave::capture {

/// What scaling does to a model's frequencies theta^(-2i/d).
struct RopeScaling {
  std::vector<float> divisor;  ///< [d / 2], empty = all 1
  double attention_factor = 1;
  std::string description = "{}";  ///< JSON object as stored in traces
};

/// All frequencies divided by `factor` (Chen et al. 2023).
RopeScaling linear_scaling(std::uint32_t head_dim, double factor);

/// Divisors as a file states them.
RopeScaling given_divisors(std::vector<float> divisors);

/// Llama 3.1: wavelengths above original_context / low_factor are divided by `factor`, those below original_context /
/// high_factor are left, and between them the two are mixed.
struct Llama3Scaling {
  double factor = 8, low_factor = 1, high_factor = 4, original_context = 8192;
};
RopeScaling llama3_scaling(std::uint32_t head_dim, double theta, const Llama3Scaling& scaling);

/// YaRN (Peng et al. 2023): a ramp over the frequency index between the two that turn beta_fast and beta_slow times
/// within the original context, from unchanged to divided by `factor`.
struct YarnScaling {
  double factor = 1, original_context = 0, beta_fast = 32, beta_slow = 1;
  bool truncate = true;                    ///< ends of the ramp are rounded outwards to whole indices
  std::optional<double> attention_factor;  ///< 0.1 ln(factor) + 1 where it is not stated
};
RopeScaling yarn_scaling(std::uint32_t head_dim, double theta, const YarnScaling& scaling);

void apply(const RopeScaling& scaling, ModelConfig& config);

}  // namespace kvwave::capture
