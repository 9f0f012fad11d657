#include "replay/rope_frequencies.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/error.h"
#include "traces/schema.h"

namespace kvwave::replay {

namespace {

double positive(const nlohmann::json& value) {
  const double number = value.get<double>();
  if (!(number > 0) || !std::isfinite(number)) throw std::invalid_argument("a divisor is not a positive number");
  return number;
}

}  // namespace

RopeFrequencies::RopeFrequencies(const traces::TraceInfo& info)
    : frequency_(info.shape.head_dim / 2), interleaved_(info.rope_layout == "interleaved") {
  for (std::size_t i = 0; i < frequency_.size(); ++i) {
    frequency_[i] = std::pow(info.rope_theta, -2.0 * static_cast<double>(i) / info.shape.head_dim);
  }
  try {
    const nlohmann::json scaling = nlohmann::json::parse(info.rope_scaling);
    if (scaling.empty()) return;
    const std::string type = scaling.at("type").get<std::string>();
    if (type == "linear") {
      const double factor = positive(scaling.at("factor"));
      for (double& angle : frequency_) angle /= factor;
      return;
    }
    const nlohmann::json& divisors = scaling.at("divisors");
    if (type != "divisors" || divisors.size() != frequency_.size()) {
      throw std::invalid_argument("expected type linear, or divisors with one per pair of channels");
    }
    for (std::size_t i = 0; i < frequency_.size(); ++i) frequency_[i] /= positive(divisors[i]);
  } catch (const std::exception& error) {
    throw traces::CorruptTrace(fmt::format("rope_scaling: {}", error.what()));
  }
}

}  // namespace kvwave::replay
