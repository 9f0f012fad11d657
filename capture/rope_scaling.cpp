#include "capture/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvwave::capture {
namespace {

// What f is divided by when `share` of it is taken from f / factor and the rest from f itself.
float mixed_divisor(double factor, double share) {
  return static_cast<float>(1 / (share / factor + 1 - share));
}

}  // namespace

RopeScaling linear_scaling(std::uint32_t head_dim, double factor) {
  RopeScaling result;
  if (factor == 1.0) return result;
  result.divisor.assign(head_dim / 2, static_cast<float>(factor));
  result.description = fmt::format(R"({{"factor":{},"type":"linear"}})", factor);
  return result;
}

RopeScaling given_divisors(std::vector<float> divisors) {
  RopeScaling result;
  result.description = fmt::format(R"({{"divisors":[{}],"type":"divisors"}})", fmt::join(divisors, ","));
  result.divisor = std::move(divisors);
  return result;
}

RopeScaling llama3_scaling(std::uint32_t head_dim, double theta, const Llama3Scaling& s) {
  RopeScaling result;
  for (std::uint32_t i = 0; i < head_dim / 2; ++i) {
    const double wavelength = 2 * std::numbers::pi * std::pow(theta, 2.0 * i / head_dim);
    const double smooth = (s.original_context / wavelength - s.low_factor) / (s.high_factor - s.low_factor);
    result.divisor.push_back(mixed_divisor(s.factor, 1 - std::clamp(smooth, 0.0, 1.0)));
  }
  result.description =
      fmt::format(R"({{"factor":{},"high_freq_factor":{},"low_freq_factor":{},"original_context":{},"type":"llama3"}})",
                  s.factor, s.high_factor, s.low_factor, s.original_context);
  return result;
}

RopeScaling yarn_scaling(std::uint32_t head_dim, double theta, const YarnScaling& s) {
  const double d = head_dim;
  const auto index_of_turns = [&](double turns) {
    return d * std::log(s.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = index_of_turns(s.beta_fast);
  double high = index_of_turns(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, d - 1);
  if (low == high) high += 0.001;  // as the reference: a step instead of a division by zero
  RopeScaling result;
  for (std::uint32_t i = 0; i < head_dim / 2; ++i) {
    result.divisor.push_back(mixed_divisor(s.factor, std::clamp((i - low) / (high - low), 0.0, 1.0)));
  }
  result.attention_factor = s.attention_factor.value_or(s.factor > 1 ? 0.1 * std::log(s.factor) + 1 : 1.0);
  result.description = fmt::format(
      R"({{"attention_factor":{},"beta_fast":{},"beta_slow":{},"factor":{},"original_context":{},"type":"yarn"}})",
      result.attention_factor, s.beta_fast, s.beta_slow, s.factor, s.original_context);
  return result;
}

void apply(const RopeScaling& scaling, ModelConfig& config) {
  config.rope_divisor = scaling.divisor;
  config.rope_attention_factor = scaling.attention_factor;
  config.rope_scaling = scaling.description;
}

}  // namespace kvwave::capture
